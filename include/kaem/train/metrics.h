#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "kaem/io/appended_file.h"
#include "kaem/io/safetensors.h"
#include "kaem/objective/objective.h"

namespace kaem {

/// A number of an update, as metrics.csv has it in a column.
struct Number {
  std::string name;
  double value = 0;
  Measure measure = Measure::kTerm;
};

/// metrics.csv of a run: a row each `log_steps` updates. docs/file-formats.md.
///
/// Columns: step, epoch, seconds, the averages, lr, the counts. Averages are means over the updates since the row
/// before (of swap rates: over those in which the pair tried; an empty cell where there is none), counts are sums. What
/// has been gathered since that row is part of the checkpoint, so that a resumed run writes the same rows (but for
/// `seconds`).
class Metrics {
 public:
  explicit Metrics(std::string path) : file_(std::move(path)) {}

  /// Values of one update: `averages` are averaged, `counts` are summed. Their names are the columns, the same each
  /// time.
  void add(const std::vector<Number>& averages, const std::vector<Number>& counts);

  /// Columns that a run measures now and then: behind the others, empty in the rows between.
  void set_measured_columns(std::vector<std::string> names) { measured_names_ = std::move(names); }
  /// Their values (NaN: none), for the next row.
  void measure(const std::vector<double>& values);

  /// True if nothing has been gathered since the last row.
  bool empty() const { return updates_ == 0; }

  /// Appends a row (and the header to a new file) and begins to gather anew; Error if the file cannot be written.
  /// Returns its numbers, those that were measured for it last.
  std::vector<Number> write_row(int64_t step, int64_t epoch, double seconds, double learning_rate);

  /// The value of a column in the file's last row; nothing if there is none.
  std::optional<double> last(const std::string& column) const;

  /// The rows, for a checkpoint.
  const io::AppendedFile& file() const { return file_; }

  /// "data.metrics.*": what has been gathered since the last row.
  io::NamedTensors named_state() const;
  void restore(const std::map<std::string, at::Tensor>& tensors);

  /// Cuts the file back to what stood there after update `step`: later rows go, and so does a torn last line.
  /// `last_row` is the last row that a run which never stopped would have there (a run that stops between rows adds one
  /// more).
  void cut(int64_t step, int64_t last_row) const;

 private:
  std::string lines_of(const std::vector<std::pair<std::string, std::string>>& cells) const;

  io::AppendedFile file_;
  int64_t updates_ = 0;
  std::vector<Number> averages_, counts_;  // the columns
  std::map<std::string, double> sums_;
  std::vector<std::string> measured_names_;
  std::map<std::string, double> measured_;
  std::map<std::string, int64_t> missing_;  // updates in which a pair of temperatures did not try to exchange
};

}  // namespace kaem
