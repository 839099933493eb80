#include <ATen/TensorOperators.h>
#include <c10/core/GradMode.h>

#include <cmath>

#include "kaem/mcmc/kernel.h"
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
    const auto scale = [&](const Tensor& x) { return scaled(x, options.preconditioner); };
    const Tensor drift = scale(tempered_gradient(state, target.temperature));
    const Tensor noise = draws.normal(state.z.sizes(), state.z.options());
    const Tensor moved = state.z + scale(eta * drift + std::sqrt(2 * eta) * noise);
    return std::pair(evaluate(target, fold(moved, target.lower, target.upper).z, Want::kGradient),
                     Info{per_chain(moved, 1), per_chain(moved, eta)});
  };
  return {init, step, false};
}

}  // namespace kaem::mcmc
