#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

#include "kaem/core/table.h"
#include "kaem/train/optimizer.h"

namespace kaem {
namespace {

using Factor = double (*)(const ScheduleOptions&, int64_t step, double steps_per_epoch, int64_t total_steps);

double constant(const ScheduleOptions&, int64_t, double, int64_t) { return 1; }

/// decay^n, n = number of milestones (in epochs) that have passed.
double milestones(const ScheduleOptions& o, int64_t step, double steps_per_epoch, int64_t) {
  const auto passed = [&](int64_t epoch) {
    return static_cast<double>(epoch) * steps_per_epoch <= static_cast<double>(step);
  };
  return std::pow(o.decay, std::count_if(o.milestones.begin(), o.milestones.end(), passed));
}

/// Half a cosine from 1 after the warm-up to `decay` at the last update (Loshchilov and Hutter 2017).
double cosine(const ScheduleOptions& o, int64_t step, double, int64_t total_steps) {
  const double length = std::max<double>(static_cast<double>(total_steps - 1 - o.warmup_steps), 1);
  const double s = std::clamp(static_cast<double>(step - o.warmup_steps) / length, 0.0, 1.0);
  return o.decay + (1 - o.decay) * 0.5 * (1 + std::cos(std::numbers::pi * s));
}

constexpr auto kSchedules =
    std::to_array<Named<Factor>>({{"milestones", milestones}, {"cosine", cosine}, {"constant", constant}});

}  // namespace

double schedule_factor(const ScheduleOptions& options, int64_t step, double steps_per_epoch, int64_t total_steps) {
  const double warmup =
      step < options.warmup_steps ? static_cast<double>(step + 1) / static_cast<double>(options.warmup_steps) : 1.0;
  return warmup * find(kSchedules, "[LR_SCHEDULE] type", options.type)(options, step, steps_per_epoch, total_steps);
}

/// Update n is due at t_n = f (1 + r + ... + r^(n-1)), rounded down, with first interval f and ratio r = 2 - decay: a
/// pure function of the step, so that a resumed run updates its grids at the same steps.
bool GridSchedule::due(int64_t step) const {
  if (!enabled || !(prior || generator) || frequency < 1 || step < frequency) return false;
  const double r = std::max(2 - decay, 1.0), f = static_cast<double>(frequency);
  if (r == 1) return step % frequency == 0;
  // The sum in closed form is off in its last digits: 1e-6 keeps a whole number whole.
  const auto due_at = [&](double n) {
    return static_cast<int64_t>(std::floor(f * std::expm1(n * std::log(r)) / (r - 1) + 1e-6));
  };
  const double n = std::round(std::log1p(static_cast<double>(step) * (r - 1) / f) / std::log(r));
  return due_at(n - 1) == step || due_at(n) == step || due_at(n + 1) == step;
}

}  // namespace kaem
