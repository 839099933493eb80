#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <array>
#include <cmath>
#include <numbers>

#include "generator/likelihoods.h"
#include "kaem/core/table.h"
#include "kaem/generator/generator.h"
#include "kaem/ops/density.h"

namespace kaem {
namespace {

using at::Tensor;

/// Output activations by their steepness (ops::output_of); `tanh` is mapped from (-1,1) to the data's [0,1]:
/// (tanh(g) + 1)/2 = sigmoid(2g).
const auto kOutputActivations =
    std::to_array<Named<double>>({{"sigmoid", 1}, {"tanh", 2}, {"identity", 0}, {"none", 0}});

/// -‖x - act(g)‖²/(2σ²) - (D/2) log(2πσ²), σ fixed or trained; densities are on the [0,1] scale of the data.
struct GaussianLikelihood : Likelihood {
  explicit GaussianLikelihood(const GeneratorOptions& options)
      : steepness(find(kOutputActivations, "output_activation", options.output_activation)) {
    if (options.sigma_trainable)
      log_sigma = register_parameter("log_sigma", at::full({}, std::log(options.sigma)));
    else
      fixed_sigma = options.sigma;
  }

  Tensor activate(const Tensor& generated) const override { return ops::output_of(generated, steepness); }

  Tensor draw(const Tensor& generated, const Rng& rng, Stream stream, int64_t step) const override {
    const c10::AutoGradMode no_grad(false);
    const Tensor noise = rng.normal(stream, step, generated.sizes(), generated.options());
    return activate(generated) + (fixed_sigma > 0 ? noise * fixed_sigma : noise * log_sigma.exp());
  }

  Tensor all_pairs(const Tensor& x, const Tensor& generated) const override {
    const c10::AutoGradMode no_grad(false);
    return log_prob(squared_distances(x, activate(generated)), x.size(1));
  }

  std::pair<Tensor, Tensor> value_and_gradient(const Tensor& x, const Tensor& generated) const override {
    const c10::AutoGradMode no_grad(false);
    const auto [distance, gradient] = ops::output_error(x, generated, steepness, 2 * half_precision());
    return {log_prob(distance, x.size(1)), gradient};
  }

  Tensor weighted_all_pairs(const Tensor& weight, const Tensor& x, const Tensor& generated) const override {
    const Tensor xhat = activate(generated);
    const double batch = static_cast<double>(x.size(0));
    // Σ w ‖x_b - x̂_s‖² without its B×S×D form.
    const Tensor data = (weight.sum(1) * x.square().sum(1)).sum();
    const Tensor model = (weight.sum(0) * xhat.square().sum(1)).sum();
    const Tensor cross = (ops::product(weight.t(), x) * xhat).sum();
    return weighted((data + model - 2 * cross) / batch, weight.sum() / batch, x.size(1));
  }

  Tensor weighted_own(const Tensor& weight, const Tensor& x, const Tensor& generated) const override {
    const double batch = static_cast<double>(x.size(0));
    const Tensor distance = (x.unsqueeze(1) - activate(generated)).square().sum(-1);
    return weighted((weight * distance).sum() / batch, weight.sum() / batch, x.size(1));
  }

  Tensor constant(int64_t data_size) const override { return -log_constant(data_size).detach(); }

  const double steepness;
  Tensor log_sigma;  ///< [], trained; undefined if σ is fixed
  double fixed_sigma = 0;

 private:
  /// 1/(2σ²).
  Tensor half_precision() const {
    if (fixed_sigma > 0) return at::full({}, 0.5 / (fixed_sigma * fixed_sigma), at::kDouble);
    return 0.5 * (-2 * log_sigma).exp();
  }
  /// (D/2) log(2πσ²).
  Tensor log_constant(int64_t data_size) const {
    const double half = 0.5 * static_cast<double>(data_size), log_two_pi = std::log(2 * std::numbers::pi);
    if (fixed_sigma > 0) return at::full({}, half * (log_two_pi + 2 * std::log(fixed_sigma)), at::kDouble);
    return half * (log_two_pi + 2 * log_sigma);
  }
  Tensor log_prob(const Tensor& squared_distance, int64_t data_size) const {
    if (fixed_sigma > 0)  // in one launch: chains want it at every step
      return at::rsub(squared_distance, -log_constant(data_size).item<double>(), half_precision().item<double>());
    return -(squared_distance * half_precision() + log_constant(data_size));
  }
  Tensor weighted(const Tensor& squared_distance, const Tensor& total, int64_t data_size) const {
    return -(squared_distance * half_precision() + total * log_constant(data_size));
  }
};

}  // namespace

std::shared_ptr<Likelihood> make_gaussian_likelihood(const GeneratorOptions& options) {
  return std::make_shared<GaussianLikelihood>(options);
}

}  // namespace kaem
