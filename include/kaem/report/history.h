#pragma once

#include <string>
#include <utility>
#include <vector>

namespace kaem::report {

/// metrics.csv of a run by columns; NaN where a cell is empty or no number.
struct History {
  std::vector<std::pair<std::string, std::vector<double>>> columns;
  const std::vector<double>* find(const std::string& name) const;
};

/// Without columns where there is no file.
History read_history(const std::string& run);

/// Columns that are drawn together, as functions of the update.
struct Panel {
  std::string title, unit;
  std::vector<std::string> columns;
  bool logarithmic = false;
};

/// The panels that have curves in one of the histories, whose runs are of these modes: the terms of the updates, then a
/// panel for each measure of held-out data ([TRAINING] eval_every).
std::vector<Panel> panels_of(const std::vector<History>& histories, const std::vector<std::string>& modes);

/// What pages and pictures call runs: the ends of their folders, DATASET/mode/NAME, as long as it takes to tell them
/// apart. UsageError if one is named twice.
std::vector<std::string> labels_of(const std::vector<std::string>& folders);

}  // namespace kaem::report
