#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "kaem/io/appended_file.h"

/// Event files, as TensorBoard reads them: records of TFRecord, each an Event of TensorFlow's event.proto. No torch
/// here.
namespace kaem::io {

/// What a histogram says of many values: `counts[i]` of them in (limits[i-1], limits[i]].
struct HistogramSummary {
  double min = 0, max = 0, number = 0, sum = 0, sum_of_squares = 0;
  std::vector<double> limits, counts;
};

/// Of at most `bins` cells of equal width; values that are not finite are left out.
HistogramSummary histogram_of(const std::vector<double>& values, int64_t bins = 64);

/// A file of events in the order of their updates. Each call appends one record, stamped with the time of the call;
/// Error if it cannot be written.
class EventFile {
 public:
  explicit EventFile(std::string path) : file_(std::move(path)) {}

  void scalars(const std::vector<std::pair<std::string, double>>& values, int64_t step) const;
  /// An encoded PNG.
  void picture(const std::string& tag, std::string_view png, int64_t step) const;
  void histogram(const std::string& tag, const HistogramSummary& histogram, int64_t step) const;
  /// Markdown.
  void text(const std::string& tag, std::string_view markdown, int64_t step) const;

  const AppendedFile& file() const { return file_; }

 private:
  void append(std::string_view summary, int64_t step) const;

  AppendedFile file_;
};

}  // namespace kaem::io
