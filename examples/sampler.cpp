// Markov chains on a density of one's own, whose gradient autograd takes: Rosenbrock's banana.
#include <ATen/ATen.h>

#include <cmath>
#include <iostream>

#include "kaem/mcmc/kernel.h"

int main() {
  using namespace kaem;
  // z [n,2] -> log p(z) + constant [n]: z_1 ~ N(1, ½), z_2 | z_1 ~ N(z_1², 1/10).
  const auto banana = [](const at::Tensor& z) {
    const at::Tensor a = z.select(1, 0), b = z.select(1, 1);
    return -(1 - a).square() - 5 * (b - a.square()).square();
  };
  mcmc::Target target;
  target.prior = mcmc::by_autograd(banana);
  target.temperature = at::ones({1});  // one temperature, one datum, 2,000 chains

  const mcmc::Kernel kernel = mcmc::make_kernel(target, {.name = "mala", .step_size = 0.02});
  mcmc::Draws draws = mcmc::make_draws(Rng(1), Stream::kTest, 0);
  mcmc::State state = kernel.init(at::zeros({1, 1, 2000, 2}));
  double acceptance = 0;
  constexpr int kSteps = 3000;
  for (int i = 0; i < kSteps; ++i) {
    auto [next, info] = kernel.step(state, draws);
    state = std::move(next);
    acceptance += info.acceptance.mean().item<double>() / kSteps;
  }
  const at::Tensor z = state.z[0][0];
  const double mean = z.select(1, 0).mean().item<double>(), second = z.select(1, 1).mean().item<double>();
  std::cout << "acceptance " << acceptance << ", E[z_1] " << mean << " (1), E[z_2] " << second << " (1.5)\n";
  // Standard errors of 2,000 chains: .016 and .034; six of them.
  return std::abs(mean - 1) < 0.1 && std::abs(second - 1.5) < 0.21 ? 0 : 1;
}
