#include "mcmc/leapfrog.h"

#include <ATen/TensorOperators.h>

#include <limits>

namespace kaem::mcmc {

using at::Tensor;

Phase leapfrog(const Target& target, const Tensor& preconditioner, const Phase& from, const Tensor& epsilon) {
  const Tensor step = align(epsilon.to(from.momentum.options()), from.momentum);
  const auto kick = [&](const State& state) {
    return 0.5 * step * scaled(tempered_gradient(state, target.temperature), preconditioner);
  };
  const Tensor half = from.momentum + kick(from.state);
  const Folded folded = fold(from.state.z + step * scaled(half, preconditioner), target.lower, target.upper);
  const State to = evaluate(target, folded.z, Want::kBoth);
  return {to, half * folded.flips + kick(to)};
}

Tensor log_ratio(const Target& target, const Phase& to, const Phase& from) {
  const auto kinetic = [](const Tensor& p) { return 0.5 * sum_over_latent(p.square()); };
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  return (tempered_change(to.state, from.state, target.temperature) + kinetic(from.momentum) - kinetic(to.momentum))
      .nan_to_num(-kInfinity, kInfinity, -kInfinity);
}

}  // namespace kaem::mcmc
