#include <ATen/TensorOperators.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>

#include "kaem/core/error.h"
#include "kaem/mcmc/kernel.h"
#include "mcmc/leapfrog.h"

namespace kaem::mcmc {
namespace {

using at::Tensor;

/// η = base · rate^exponent, exponents from low to high.
struct StepSizes {
  double base, rate;
  int64_t low, high;

  explicit StepSizes(const KernelOptions& options)
      : base(std::clamp(options.step_size, options.step_size_min, options.step_size_max)), rate(options.change_rate) {
    // The margin keeps an end that is a whole number of changes away.
    const auto changes = [&](double end) { return std::log(end / base) / std::log(rate); };
    low = std::max(-options.most_changes, static_cast<int64_t>(std::ceil(changes(options.step_size_min) - 1e-9)));
    high = std::min(options.most_changes, static_cast<int64_t>(std::floor(changes(options.step_size_max) + 1e-9)));
  }
  Tensor of(const Tensor& exponent) const { return base * (exponent.to(at::kDouble) * std::log(rate)).exp(); }
};

void check(const KernelOptions& options) {
  if (!(options.step_size_min > 0 && options.step_size_min <= options.step_size_max))
    throw UsageError("automala needs 0 < smallest step size <= largest");
  if (!(options.change_rate > 1) || options.most_changes < 0)
    throw UsageError("automala needs a change rate above 1 and a number of changes that is not negative");
}

struct Selection {
  Phase end;
  Tensor log_ratio, exponent;  ///< [T,B,N]
};

/// Step size of each chain as a function of its phase and its window of log acceptance probabilities alone
/// (Biron-Lattes et al. 2023, algorithm 2). Above the window the step grows while it stays above; below, it shrinks
/// until it no longer is; either way it stops at the last step size allowed. Chains that have settled are evaluated but
/// not moved.
Selection select_step_size(const Target& target, const Tensor& preconditioner, const StepSizes& sizes,
                           const Phase& start, const Tensor& log_a, const Tensor& log_b) {
  const auto attempt = [&](const Tensor& exponent) {
    const Phase end = leapfrog(target, preconditioner, start, (2 * sizes.of(exponent)).sqrt());
    return Selection{end, log_ratio(target, end, start), exponent};
  };
  Selection kept = attempt(at::zeros_like(log_a, at::kLong));
  const Tensor growing = kept.log_ratio > log_b;
  Tensor active = growing.logical_or(kept.log_ratio < log_a);
  const Tensor change = at::where(growing, 1, -1);
  while (true) {
    const Tensor next = kept.exponent + change;
    active = active.logical_and(next >= sizes.low).logical_and(next <= sizes.high);
    if (!active.any().item<bool>()) return kept;
    const Selection tried = attempt(at::where(active, next, kept.exponent));
    const Tensor above = tried.log_ratio > log_b;
    const Tensor keep = active.logical_and(above.logical_or(growing.logical_not()));
    kept = {{select(keep, tried.end.state, kept.end.state),
             at::where(align(keep, start.momentum), tried.end.momentum, kept.end.momentum)},
            at::where(keep, tried.log_ratio, kept.log_ratio),
            at::where(keep, tried.exponent, kept.exponent)};
    active = active.logical_and(at::where(growing, above, tried.log_ratio < log_a));
  }
}

}  // namespace

Kernel automala(const Target& target, const KernelOptions& options) {
  check_bounds(target.lower, target.upper);
  check(options);
  const auto init = [target](const Tensor& z) {
    const c10::AutoGradMode no_grad(false);
    return evaluate(target, z.detach(), Want::kBoth);
  };
  const auto step = [target, sizes = StepSizes(options), scale = options.preconditioner](const State& state,
                                                                                         Draws& draws) {
    const c10::AutoGradMode no_grad(false);
    const auto chains = state.z.sizes().slice(0, 3);
    const Phase start = {state, draws.normal(state.z.sizes(), state.z.options())};
    const Tensor u = draws.uniform({chains[0], chains[1], chains[2], 2}, state.z.options().dtype(at::kDouble));
    const Tensor log_a = u.amin(-1).log(), log_b = u.amax(-1).log();
    const Selection forward = select_step_size(target, scale, sizes, start, log_a, log_b);
    // The proposal counts only if the reversed move would choose the same step size.
    const Phase reversed = {forward.end.state, -forward.end.momentum};
    const Selection backward = select_step_size(target, scale, sizes, reversed, log_a, log_b);
    const Tensor probability = acceptance_probability(forward.log_ratio) * (backward.exponent == forward.exponent);
    return std::pair(accept(forward.end.state, state, probability, draws),
                     Info{probability, sizes.of(forward.exponent).to(state.z.scalar_type())});
  };
  return {init, step};
}

}  // namespace kaem::mcmc
