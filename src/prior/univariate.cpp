#include "prior/univariate.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include "prior/white.h"

namespace kaem {

using at::Tensor;

namespace {

struct UnivariateView final : PriorView, CoordinateDistribution, WhiteCoordinates {
  explicit UnivariateView(UnivariatePrior& prior)
      : components(prior), options(prior.options), spec(prior.layer->spec), reference(*prior.reference) {}

  Tensor sample(int64_t n, const Rng& rng, Stream stream, int64_t step, int64_t first_index) const override {
    return components.sample(n, rng, stream, step, first_index);
  }

  Tensor sample_part(int64_t n, int64_t first, int64_t all, const Rng& rng, Stream stream, int64_t step,
                     int64_t first_index) const override {
    if (options.uniforms != "latin") return sample(n, rng, stream, step, first_index + first);
    return sample(all, rng, stream, step, first_index).narrow(0, first, n);
  }

  Tensor log_prob(const Tensor& z) const override {
    const Tensor nearest = z.clamp(reference.domain.first, reference.domain.second);
    const Tensor value = unnormalised_log_prob(nearest) - components.table().log_normaliser.sum();
    return minus_infinity_outside(z, value, reference.domain);
  }

  Tensor score(const Tensor& z) const override {
    const c10::AutoGradMode no_grad(false);
    const auto& [knots, tau, weights] = components.constants();
    const Tensor energy = ops::edge_values(z, knots, tau, weights, spec, 1);
    return reference.is_flat() ? energy : energy + reference.score(z);
  }

  Tensor weighted_log_prob(const Tensor& z, const Tensor& weight, const Rng& rng, int64_t step) const override {
    const auto& [knots, tau, weights] = components.edges();
    const Tensor& log_normaliser = components.table().log_normaliser;
    Tensor positive = ops::weighted_edge_sum(z, weight, knots, tau, weights, spec);
    if (!reference.is_flat()) positive = positive + (weight * reference.log_density(z).sum({1, 2})).sum();
    if (!options.contrastive_divergence) return positive - log_normaliser.sum();
    // E_p[∇(f + log π0)] = ∇ log Z, by fresh draws; the value stays the table's.
    const int64_t draws = z.size(0);
    const Tensor negative_z =
        sample_part(draws, rng.first_of(draws), rng.all_of(draws), rng, Stream::kNegative, step, 0);
    const Tensor negative = unnormalised_log_prob(negative_z).mean();
    return positive - (log_normaliser.detach().sum() + negative - negative.detach());
  }

  const CoordinateDistribution* distribution() const override { return this; }
  const WhiteCoordinates* white() const override { return this; }

  Tensor cdf(const Tensor& z) const override {
    return ops::forward_cdf(z.flatten(1), components.table().inverse).reshape_as(z);
  }

  Tensor icdf(const Tensor& u) const override {
    return ops::inverse_cdf(u.flatten(1), components.table().inverse).reshape_as(u);
  }

  const ops::InverseTable* table() const override { return &components.table().inverse; }
  PriorCurves curves(int64_t points) const override { return components.curves(points); }

  std::pair<Tensor, Tensor> to_latent(const Tensor& y) const override {
    const c10::AutoGradMode no_grad(false);
    const Tensor z = icdf(uniform_of_normal(y));
    const auto& [knots, tau, weights] = components.constants();
    Tensor log_density = ops::edge_values(z, knots, tau, weights, spec, 0);
    if (!reference.is_flat()) log_density = log_density + reference.log_density(z);
    log_density = log_density - components.table().log_normaliser.t();  // [P,Q] -> [Q,P]
    return {z, (log_standard_normal(y) - log_density).exp()};
  }

  Tensor to_white(const Tensor& z) const override {
    const c10::AutoGradMode no_grad(false);
    return normal_of_uniform(cdf(z));
  }

  /// f(z) + log π0(z), [n]; differentiable.
  Tensor unnormalised_log_prob(const Tensor& z) const {
    const auto& [knots, tau, weights] = components.edges();
    const Tensor energy = ops::edge_sum(z, knots, tau, weights, spec);
    return reference.is_flat() ? energy : energy + reference.log_density(z).sum({1, 2});
  }

  Components components;
  const PriorOptions& options;
  const ops::BasisSpec& spec;
  const ReferenceDensity& reference;
};

}  // namespace

UnivariatePrior::UnivariatePrior(const PriorOptions& prior_options, const Rng& rng)
    : ComponentPrior(prior_options, rng),
      offset_(static_cast<double>(layer->inputs) * mean_of(*reference, layer->inputs)) {}

std::shared_ptr<const PriorView> UnivariatePrior::view() { return std::make_shared<UnivariateView>(*this); }

GridUpdate UnivariatePrior::update_grid(const Tensor& z) {
  return layer->update_grid(z.reshape({-1, layer->inputs}), /*keep_ends=*/true);
}

Tensor UnivariatePrior::features(const Tensor& z) const {
  const Tensor sum = z.sum(-1);
  return offset_ == 0 ? sum : sum - offset_;
}

Tensor UnivariatePrior::features_pullback(const Tensor& grad) const {
  return grad.unsqueeze(-1).expand({grad.size(0), layer->outputs, layer->inputs});
}

}  // namespace kaem
