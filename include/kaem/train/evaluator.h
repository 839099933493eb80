#pragma once

#include <string>
#include <vector>

namespace kaem {

class Trainer;

/// What a run measures of itself while it trains ([TRAINING] eval_every): kaem/evaluate/in_training.h has the
/// program's.
struct Evaluator {
  virtual ~Evaluator() = default;

  /// Columns of metrics.csv, the same each time.
  virtual std::vector<std::string> columns() const = 0;

  /// A number for each; NaN where there is none. The trainer's model, averages where it keeps them, is in place.
  virtual std::vector<double> measure() = 0;

  /// False where a lower number is the better one.
  virtual bool higher_is_better(const std::string& column) const = 0;
};

}  // namespace kaem
