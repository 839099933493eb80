#include "prior/univariate.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include "kaem/core/error.h"
#include "kaem/core/str.h"
#include "prior/uniforms.h"
#include "prior/white.h"

namespace kaem {

using at::Tensor;

UnivariatePrior::UnivariatePrior(const PriorOptions& prior_options, const Rng& rng) : options(prior_options) {
  const auto& widths = options.layer_widths;
  if (widths.size() != 2)
    throw ConfigError(str("[EbmModel] layer_widths: want P, Q (two numbers), got ", widths.size()));
  reference =
      register_module("reference", make_reference_density(options.reference, options.basis.grid_range, widths[0]));
  layer = register_module("layer", KanLayer(widths[0], widths[1], options.basis, rng, /*purpose=*/0));
  layer->reset_domain(reference->domain.first, reference->domain.second);
  // The knots are float32: their ends are the domain, to the last bit, or a steep density would lose mass at its ends.
  reference->domain = {layer->knots[0][0].item<double>(), layer->knots[0][-1].item<double>()};
}

std::vector<int64_t> UnivariatePrior::latent_shape() const { return {layer->outputs, layer->inputs}; }

void UnivariatePrior::invalidate() { table_.reset(), fresh_graph_ = false; }

const PriorTable& UnivariatePrior::table() {
  if (!table_) {
    table_ = build_table(*layer, *reference, options.quadrature_nodes);
    fresh_graph_ = table_->log_normaliser.requires_grad();
  }
  return *table_;
}

Tensor UnivariatePrior::log_normaliser() {
  // A graph serves one backward pass: the first caller gets that of the table, later ones a new one.
  if (c10::GradMode::is_enabled() && !(table_ && fresh_graph_)) invalidate();
  const Tensor sum = table().log_normaliser.sum();
  if (c10::GradMode::is_enabled()) {
    fresh_graph_ = false;
    table_->log_normaliser = table_->log_normaliser.detach();
  }
  return sum;
}

Tensor UnivariatePrior::unnormalised_log_prob(const Tensor& z) {
  const Tensor energy = ops::edge_sum(z, layer->knots, layer->bandwidth(), layer->weights(), layer->spec);
  return reference->is_flat() ? energy : energy + reference->log_density(z).sum({1, 2});
}

Tensor UnivariatePrior::sample(int64_t n, const Rng& rng, Stream stream, int64_t step, int64_t first_index) {
  const int64_t components = layer->inputs * layer->outputs;
  const Tensor u =
      draw_uniforms(options.uniforms, n, components, rng, stream, step, layer->knots.options(), first_index);
  return icdf(u.reshape({n, layer->outputs, layer->inputs}));
}

Tensor UnivariatePrior::log_prob(const Tensor& z) {
  const Tensor inside = at::logical_and(z >= reference->domain.first, z <= reference->domain.second).flatten(1).all(1);
  const Tensor nearest = z.clamp(reference->domain.first, reference->domain.second);
  const Tensor value = unnormalised_log_prob(nearest) - log_normaliser();
  return at::where(inside, value, at::full({}, -std::numeric_limits<double>::infinity(), value.options()));
}

Tensor UnivariatePrior::score(const Tensor& z) {
  const c10::AutoGradMode no_grad(false);
  const Tensor energy = ops::edge_values(z, layer->knots, layer->bandwidth(), layer->weights(), layer->spec, 1);
  return reference->is_flat() ? energy : energy + reference->score(z);
}

Tensor UnivariatePrior::weighted_log_prob(const Tensor& z, const Tensor& weight, const Rng& rng, int64_t step) {
  const Tensor positive = (weight * unnormalised_log_prob(z)).sum();
  if (!options.contrastive_divergence) return positive - log_normaliser();
  // E_p[∇(f + log π0)] = ∇ log Z, by fresh draws; the value stays the table's.
  const Tensor value = table().log_normaliser.detach().sum();
  const Tensor negative = unnormalised_log_prob(sample(z.size(0), rng, Stream::kPrior, step, z.size(0))).mean();
  return positive - (value + negative - negative.detach());
}

Tensor UnivariatePrior::cdf(const Tensor& z) { return ops::forward_cdf(z.flatten(1), table().inverse).reshape_as(z); }

Tensor UnivariatePrior::icdf(const Tensor& u) { return ops::inverse_cdf(u.flatten(1), table().inverse).reshape_as(u); }

PriorCurves UnivariatePrior::curves(int64_t points) {
  const c10::AutoGradMode no_grad(false);
  const auto [a, b] = reference->domain;
  const Tensor z = at::linspace(a, b, points, layer->knots.options().dtype(at::kDouble)).to(layer->knots.options());
  const Tensor grid = z.reshape({-1, 1, 1}).expand({points, layer->outputs, layer->inputs}).contiguous();
  const Tensor energy = ops::edge_values(grid, layer->knots, layer->bandwidth(), layer->weights(), layer->spec, 0);
  const Tensor log_reference = reference->log_density(grid);
  return {z, energy, log_reference, (energy + log_reference - table().log_normaliser.detach().t()).exp(), cdf(grid)};
}

GridUpdate UnivariatePrior::update_grid(const Tensor& z) {
  const GridUpdate done = layer->update_grid(z.reshape({-1, layer->inputs}), /*keep_ends=*/true);
  invalidate();
  return done;
}

Tensor UnivariatePrior::features(const Tensor& z) const { return z.sum(-1); }

Tensor UnivariatePrior::features_pullback(const Tensor& grad) const {
  return grad.unsqueeze(-1).expand({grad.size(0), layer->outputs, layer->inputs});
}

std::pair<Tensor, Tensor> UnivariatePrior::from_white(const Tensor& y) {
  const c10::AutoGradMode no_grad(false);
  const Tensor z = icdf(uniform_of_normal(y));
  Tensor log_density = ops::edge_values(z, layer->knots, layer->bandwidth(), layer->weights(), layer->spec, 0);
  if (!reference->is_flat()) log_density = log_density + reference->log_density(z);
  log_density = log_density - table().log_normaliser.detach().t();  // [P,Q] -> [Q,P]
  return {z, (log_standard_normal(y) - log_density).exp()};
}

Tensor UnivariatePrior::to_white(const Tensor& z) {
  const c10::AutoGradMode no_grad(false);
  return normal_of_uniform(cdf(z));
}

std::pair<double, double> UnivariatePrior::domain() const { return reference->domain; }

}  // namespace kaem
