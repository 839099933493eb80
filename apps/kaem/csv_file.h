#pragma once

#include <charconv>
#include <string>
#include <string_view>
#include <utility>

#include "kaem/io/file.h"

namespace kaem::app {

/// Rows of numbers, which can be millions.
class CsvFile {
 public:
  explicit CsvFile(std::string path) : file_(std::move(path)) {}
  void text(std::string_view part) { file_.write(part); }
  void number(char before, double value) {
    char buffer[32] = {before};
    const auto end = std::to_chars(buffer + 1, buffer + sizeof buffer, static_cast<float>(value)).ptr;
    text({buffer, static_cast<size_t>(end - buffer)});
  }
  void close() { file_.commit(); }

 private:
  io::AtomicFile file_;
};

}  // namespace kaem::app
