#include <ATen/TensorOperators.h>
#include <c10/core/GradMode.h>

#include <cmath>

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
  const auto step = [=](const State& state, Draws& draws) {
    const c10::AutoGradMode no_grad(false);
    const double eta = options.step_size;
    const Tensor noise = draws.normal(state.z.sizes(), state.z.options());
    const auto scale = [&](const Tensor& x) { return scaled(x, options.preconditioner); };
    Tensor next;
    if (options.preconditioner.defined()) {
      const Tensor drift = scale(tempered_gradient(state, target.temperature));
      next = fold(state.z + scale(eta * drift + std::sqrt(2 * eta) * noise), target.lower, target.upper).z;
    } else {
      next = ops::langevin_move(state.z, state.prior.gradient, state.likelihood.gradient, noise, target.temperature,
                                eta, target.lower, target.upper);
    }
    return std::pair(evaluate(target, next, Want::kGradient), Info{per_chain(next, 1), per_chain(next, eta)});
  };
  return {init, step, /*exact=*/false, /*recordable=*/true};
}

}  // namespace kaem::mcmc
