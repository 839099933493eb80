#pragma once

#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "kaem/config/tuning.h"

/// The results of a search, as results.csv holds them. docs/file-formats.md.
namespace kaem::app {

/// A trial after a number of updates.
struct TrialRow {
  int64_t trial = 0, steps = 0;
  std::string status;               ///< done, failed, invalid (its values contradict each other)
  std::optional<double> metric;     ///< as the file says it: rounded to 9 digits
  std::vector<std::string> values;  ///< of the searched keys, in their order
};

/// Rows in the order in which they came about; kept in the file after each one.
class TrialTable {
 public:
  /// Reads what is there; UsageError if the file is damaged or of another search.
  TrialTable(std::string path, const Search& search);

  const TrialRow* find(int64_t trial, int64_t steps) const;
  void add(TrialRow row);
  const std::deque<TrialRow>& rows() const { return rows_; }

 private:
  std::string header() const;
  std::string path_;
  std::vector<std::string> names_;
  std::deque<TrialRow> rows_;  // rows stay where they are when others come
};

/// The row with the best metric, of trials with the same the first; nullptr if none is done.
const TrialRow* best_of(const std::vector<const TrialRow*>& rows, bool higher_is_better);

/// As it stands in the file.
std::string metric_text(double value);

}  // namespace kaem::app
