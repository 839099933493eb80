#include <ATen/TensorOperators.h>
#include <c10/core/GradMode.h>

#include <cmath>

#include "kaem/mcmc/kernel.h"
#include "mcmc/leapfrog.h"

namespace kaem::mcmc {

using at::Tensor;

// One leapfrog step from a fresh momentum is MALA's proposal (Neal 2011, section 5.5.2), and the difference of the
// Hamiltonian its Metropolis ratio. On a box the Gaussian densities of the plain ratio would be wrong, this one is not.
Kernel mala(const Target& target, const KernelOptions& options) {
  check_bounds(target.lower, target.upper);
  const auto init = [target](const Tensor& z) {
    const c10::AutoGradMode no_grad(false);
    return evaluate(target, z.detach(), Want::kBoth);
  };
  const auto step = [=](const State& state, Draws& draws) {
    const c10::AutoGradMode no_grad(false);
    const Phase start = {state, draws.normal(state.z.sizes(), state.z.options())};
    const Phase end =
        leapfrog(target, options.preconditioner, start, per_chain(state.z, std::sqrt(2 * options.step_size)));
    const Tensor probability = acceptance_probability(log_ratio(target, end, start));
    return std::pair(accept(end.state, state, probability, draws),
                     Info{probability, per_chain(state.z, options.step_size)});
  };
  return {init, step};
}

}  // namespace kaem::mcmc
