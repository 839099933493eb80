#include "prior/univariate.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <cmath>

#include "prior/white.h"

namespace kaem {

using at::Tensor;

namespace {

/// Mean of π0 on its domain, over all inputs; exactly 0 where it is symmetric about 0.
double mean_of(const ReferenceDensity& reference, int64_t inputs) {
  constexpr int64_t kPoints = 4096;
  constexpr double kNothing = 1e-9;
  const c10::AutoGradMode no_grad(false);
  const auto [low, high] = reference.domain;
  const Tensor z = low + (high - low) / kPoints * (at::arange(kPoints, at::kDouble) + 0.5);
  const Tensor points = z.unsqueeze(1).expand({kPoints, inputs});
  const double mean = (reference.log_density(points).softmax(0) * points).sum(0).mean().item<double>();
  return std::abs(mean) < kNothing * (high - low) ? 0 : mean;
}

}  // namespace

UnivariatePrior::UnivariatePrior(const PriorOptions& prior_options, const Rng& rng)
    : ComponentPrior(prior_options, rng),
      offset_(static_cast<double>(layer->inputs) * mean_of(*reference, layer->inputs)) {}

std::vector<int64_t> UnivariatePrior::latent_shape() const { return {layer->outputs, layer->inputs}; }

Tensor UnivariatePrior::unnormalised_log_prob(const Tensor& z) {
  const Tensor energy = ops::edge_sum(z, layer->knots(), layer->bandwidth(), layer->weights(), layer->spec);
  return reference->is_flat() ? energy : energy + reference->log_density(z).sum({1, 2});
}

Tensor UnivariatePrior::sample(int64_t n, const Rng& rng, Stream stream, int64_t step, int64_t first_index) {
  return sample_components(n, rng, stream, step, first_index);
}

Tensor UnivariatePrior::log_prob(const Tensor& z) {
  const Tensor nearest = z.clamp(reference->domain.first, reference->domain.second);
  return minus_infinity_outside(z, unnormalised_log_prob(nearest) - log_normaliser().sum());
}

Tensor UnivariatePrior::score(const Tensor& z) {
  const c10::AutoGradMode no_grad(false);
  const auto& [knots, tau, weights] = frozen();
  const Tensor energy = ops::edge_values(z, knots, tau, weights, layer->spec, 1);
  return reference->is_flat() ? energy : energy + reference->score(z);
}

Tensor UnivariatePrior::weighted_log_prob(const Tensor& z, const Tensor& weight, const Rng& rng, int64_t step) {
  Tensor positive =
      ops::weighted_edge_sum(z, weight, layer->knots(), layer->bandwidth(), layer->weights(), layer->spec);
  if (!reference->is_flat()) positive = positive + (weight * reference->log_density(z).sum({1, 2})).sum();
  if (!options.contrastive_divergence) return positive - log_normaliser().sum();
  // E_p[∇(f + log π0)] = ∇ log Z, by fresh draws; the value stays the table's.
  const Tensor value = table().log_normaliser.detach().sum();
  const Tensor negative = unnormalised_log_prob(sample(z.size(0), rng, Stream::kNegative, step, 0)).mean();
  return positive - (value + negative - negative.detach());
}

Tensor UnivariatePrior::cdf(const Tensor& z) { return ops::forward_cdf(z.flatten(1), table().inverse).reshape_as(z); }

Tensor UnivariatePrior::icdf(const Tensor& u) { return ops::inverse_cdf(u.flatten(1), table().inverse).reshape_as(u); }

GridUpdate UnivariatePrior::update_grid(const Tensor& z) {
  const GridUpdate done = layer->update_grid(z.reshape({-1, layer->inputs}), /*keep_ends=*/true);
  invalidate();
  return done;
}

Tensor UnivariatePrior::features(const Tensor& z) const {
  const Tensor sum = z.sum(-1);
  return offset_ == 0 ? sum : sum - offset_;
}

Tensor UnivariatePrior::features_pullback(const Tensor& grad) const {
  return grad.unsqueeze(-1).expand({grad.size(0), layer->outputs, layer->inputs});
}

std::pair<Tensor, Tensor> UnivariatePrior::from_white(const Tensor& y) {
  const c10::AutoGradMode no_grad(false);
  const Tensor z = icdf(uniform_of_normal(y));
  const auto& [knots, tau, weights] = frozen();
  Tensor log_density = ops::edge_values(z, knots, tau, weights, layer->spec, 0);
  if (!reference->is_flat()) log_density = log_density + reference->log_density(z);
  log_density = log_density - table().log_normaliser.detach().t();  // [P,Q] -> [Q,P]
  return {z, (log_standard_normal(y) - log_density).exp()};
}

Tensor UnivariatePrior::to_white(const Tensor& z) {
  const c10::AutoGradMode no_grad(false);
  return normal_of_uniform(cdf(z));
}

}  // namespace kaem
