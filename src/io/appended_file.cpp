#include "kaem/io/appended_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "kaem/core/error.h"
#include "kaem/core/str.h"
#include "kaem/io/file.h"

namespace kaem::io {
namespace {

size_t bytes_of(const std::string& description) { return std::strtoull(description.c_str(), nullptr, 10); }

std::string described(const std::string& text) { return str(text.size(), " bytes, ", sha256(text)); }

}  // namespace

bool AppendedFile::exists() const {
  std::error_code ignored;
  return std::filesystem::is_regular_file(path_, ignored);
}

void AppendedFile::append(std::string_view text) const {
  // Not blocking: a pipe without a reader is an error.
  const int file = ::open(path_.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0666);
  const ssize_t written = file < 0 ? -1 : ::write(file, text.data(), text.size());
  const int fault = written < 0 ? errno : ENOSPC;
  if (file >= 0) ::close(file);
  if (written != static_cast<ssize_t>(text.size()))
    throw Error(str("cannot write ", path_, ": ", std::strerror(fault)));
}

void AppendedFile::sync() const {
  const int file = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return;  // nothing was written yet
  ::fsync(file);
  ::close(file);
}

std::string AppendedFile::description() const { return exists() ? described(read_file(path_)) : ""; }

bool AppendedFile::begins_with(const std::string& description) const {
  if (description.empty()) return true;
  return exists() && described(read_file(path_).substr(0, bytes_of(description))) == description;
}

void AppendedFile::cut(const std::string& description) const {
  const std::string text = read_file(path_), kept = text.substr(0, bytes_of(description));
  if (kept != text) write_file_atomic(path_, kept);
}

}  // namespace kaem::io
