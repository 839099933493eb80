#include "kaem/train/length.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "kaem/core/duration.h"
#include "kaem/core/number.h"
#include "kaem/core/str.h"
#include "kaem/data/dataset.h"
#include "kaem/train/trainer.h"

namespace kaem {
namespace {

using Clock = std::chrono::steady_clock;

// Memory is taken, plans are made and, on GPUs, updates recorded in these.
constexpr int64_t kFirstUpdates = 5;
constexpr double kFirstShare = 0.5;       // of the time, at most
constexpr double kLongestTrial = 3;       // seconds
constexpr double kTrialShare = 0.05;      // of the budget
constexpr double kOutsideUpdates = 0.03;  // what pictures, checkpoints and grids take of a run

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

int64_t scaled_count(int64_t count, double scale) {
  return std::max<int64_t>(std::min<int64_t>(count, 1), std::llround(static_cast<double>(count) * scale));
}

}  // namespace

Length run_length(const RunOptions& options, int64_t steps_per_epoch) {
  Length length;
  length.steps_per_epoch = steps_per_epoch;
  const int64_t of_epochs = options.epochs * steps_per_epoch;
  length.total = options.updates > 0 ? options.updates : of_epochs;
  length.last = options.max_steps > 0 ? std::min(options.max_steps, length.total) : length.total;
  if (of_epochs > 0) length.scale = static_cast<double>(length.total) / static_cast<double>(of_epochs);
  return length;
}

ScheduleOptions scaled(const ScheduleOptions& options, const Length& length) {
  ScheduleOptions result = options;
  result.warmup_steps = scaled_count(options.warmup_steps, length.scale);
  return result;
}

BetaOptions scaled(const BetaOptions& options, const Length& length) {
  BetaOptions result = options;
  result.cycle_length = scaled_count(options.cycle_length, length.scale);
  return result;
}

double seconds_per_update(const Config& config, const Dataset& data, double seconds) {
  Trainer trainer(config, data);
  const auto start = Clock::now();
  int64_t first = 0;  // updates that are left out: none but the first where even few take all the time
  double until_first = 0;
  while (trainer.steps() == 0 || seconds_since(start) < seconds) {
    trainer.step(trainer.next_batch());
    const bool early = seconds_since(start) < kFirstShare * seconds;
    if (trainer.steps() == 1 || (early && trainer.steps() <= kFirstUpdates))
      first = trainer.steps(), until_first = seconds_since(start);
  }
  const int64_t timed = trainer.steps() - first;
  return timed == 0 ? seconds_since(start) : (seconds_since(start) - until_first) / static_cast<double>(timed);
}

Config within_budget(const Config& config, const Dataset& data) {
  if (!has_budget(config.run)) return config;
  const auto start = Clock::now();
  const double budget = parse_duration(config.run.budget);
  const double each = seconds_per_update(config, data, std::min(kLongestTrial, kTrialShare * budget));
  const double left = (budget - seconds_since(start)) * (1 - kOutsideUpdates);
  Config result = config;
  result.run.updates = std::max<int64_t>(1, static_cast<int64_t>(left / each));
  const double epochs =
      static_cast<double>(result.run.updates) / static_cast<double>(data.steps_per_epoch(config.run.batch_size));
  result.notes.push_back(str("budget ", config.run.budget, ": ", grouped(result.run.updates), " updates of ",
                             std::round(each * 1e4) / 10, " ms, ", std::round(epochs * 10) / 10,
                             " passes over the data"));
  return result;
}

}  // namespace kaem
