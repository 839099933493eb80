#include "kaem/generator/likelihood.h"

#include <ATen/ATen.h>

#include <array>
#include <cmath>
#include <numbers>

#include "kaem/core/table.h"

namespace kaem {
namespace {

using at::Tensor;
using Activate = Tensor (*)(const Tensor&);

Tensor identity(const Tensor& x) { return x; }
Tensor sigmoid(const Tensor& x) { return at::sigmoid(x); }
/// From (-1,1) to the data's [0,1].
Tensor unit_tanh(const Tensor& x) { return 0.5 * (at::tanh(x) + 1); }

constexpr auto kOutputActivations = std::to_array<Named<Activate>>(
    {{"sigmoid", sigmoid}, {"tanh", unit_tanh}, {"identity", identity}, {"none", identity}});

}  // namespace

Tensor Likelihood::activate(const Tensor& generated) const {
  return find(kOutputActivations, "output_activation", output_activation)(generated);
}

Tensor Likelihood::squared_distances(const Tensor& x, const Tensor& xhat) {
  const Tensor x_norm = x.square().sum(1, true), xhat_norm = xhat.square().sum(1).unsqueeze(0);
  // Cancellation can leave a small negative number where x and x̂ are equal.
  return at::addmm(x_norm + xhat_norm, x, xhat.t(), /*beta=*/1, /*alpha=*/-2).clamp_min(0);
}

Tensor Likelihood::log_prob(const Tensor& squared_distance, int64_t data_size) const {
  const double constant = 0.5 * static_cast<double>(data_size) * std::log(2 * std::numbers::pi * sigma * sigma);
  return squared_distance * (-0.5 / (sigma * sigma)) - constant;
}

}  // namespace kaem
