#include <ATen/TensorOperators.h>
#include <c10/core/GradMode.h>

#include <cmath>
#include <memory>

#include "kaem/mcmc/kernel.h"
#include "kaem/ops/ops.h"
#include "mcmc/internal.h"

namespace kaem::mcmc {

using at::Tensor;

Kernel ula(const Target& target, const KernelOptions& options) {
  check_bounds(target.lower, target.upper);
  const auto init = [target](const Tensor& z) {
    const c10::AutoGradMode no_grad(false);
    return evaluate(target, z.detach(), Want::kGradient);
  };
  const double eta = options.step_size;
  const auto move = [=](const State& state, Draws& draws) {
    const Tensor noise = draws.normal(state.z.sizes(), state.z.options());
    if (!options.preconditioner.defined())
      return ops::langevin_move(state.z, state.prior.gradient, state.likelihood.gradient, noise, target.temperature,
                                eta, target.lower, target.upper);
    const auto scale = [&](const Tensor& x) { return scaled(x, options.preconditioner); };
    const Tensor drift = scale(tempered_gradient(state, target.temperature));
    return fold(state.z + scale(eta * drift + std::sqrt(2 * eta) * noise), target.lower, target.upper).z;
  };
  // Always the same: made once, as a launch costs a GPU as much as a move.
  const auto info = [eta, same = std::make_shared<Info>()](const Tensor& z) {
    if (!same->acceptance.defined() || same->acceptance.sizes() != z.sizes().slice(0, 3))
      *same = {per_chain(z, 1), per_chain(z, eta)};
    return *same;
  };
  const auto step = [=](const State& state, Draws& draws) {
    const c10::AutoGradMode no_grad(false);
    const Tensor next = move(state, draws);
    return std::pair(evaluate(target, next, Want::kGradient), info(next));
  };
  const auto last_step = [=](const State& state, Draws& draws) {
    const c10::AutoGradMode no_grad(false);
    State last = {.z = move(state, draws)};
    if (target.likelihood) last.likelihood.log_density = target.likelihood(last.z, Want::kValue).log_density;
    return std::pair(last, info(last.z));
  };
  return {init, step, last_step};
}

}  // namespace kaem::mcmc
