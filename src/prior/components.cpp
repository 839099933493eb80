#include "prior/components.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include "kaem/core/error.h"
#include "kaem/core/str.h"
#include "prior/uniforms.h"

namespace kaem {

using at::Tensor;

ComponentPrior::ComponentPrior(const PriorOptions& prior_options, const Rng& rng) : options(prior_options) {
  const auto& widths = options.layer_widths;
  if (widths.size() != 2)
    throw ConfigError(str("[EbmModel] layer_widths: expected P, Q (two numbers), got ", widths.size()));
  reference =
      register_module("reference", make_reference_density(options.reference, options.basis.grid_range, widths[0]));
  layer = register_module(
      "layer", KanLayer(widths[0], widths[1], options.basis, InitialDraws(rng, "prior.layer"), WaveletsOf::kEdge));
  layer->reset_domain(reference->domain.first, reference->domain.second);
  // The knots are float32: their ends are the domain, to the last bit, or a steep density would lose mass at its ends.
  const Tensor ends = layer->ends_buffer();
  reference->domain = {ends[0][0].item<double>(), ends[0][-1].item<double>()};
}

const PriorTable& ComponentPrior::table() {
  if (!table_) {
    // Samplers come first and want no graph, the criterion after them does: one table serves both.
    const c10::AutoGradMode with_graph(c10::GradMode::is_enabled() || layer->coefficients.requires_grad());
    table_ = build_table(*layer, *reference, options.quadrature_nodes, cells_);
    fresh_graph_ = table_->log_normaliser.requires_grad();
  }
  return *table_;
}

const ComponentPrior::Edges& ComponentPrior::frozen() {
  if (!frozen_) {
    const c10::AutoGradMode no_grad(false);
    frozen_ = {layer->knots(), layer->bandwidth(), layer->weights()};
  }
  return *frozen_;
}

Tensor ComponentPrior::log_normaliser() {
  if (!c10::GradMode::is_enabled()) return table().log_normaliser.detach();
  // A graph serves one backward pass: the first caller gets that of the table, later ones a new one.
  if (!fresh_graph_) table_.reset();
  const Tensor log_z = table().log_normaliser;
  fresh_graph_ = false;
  table_->log_normaliser = log_z.detach();
  return log_z;
}

Tensor ComponentPrior::sample_components(int64_t n, const Rng& rng, Stream stream, int64_t step, int64_t first_index) {
  const int64_t components = layer->inputs * layer->outputs;
  const Tensor u =
      draw_uniforms(options.uniforms, n, components, rng, stream, step, layer->coefficients.options(), first_index);
  return ops::inverse_cdf(u, table().inverse).reshape({n, layer->outputs, layer->inputs});
}

Tensor ComponentPrior::minus_infinity_outside(const Tensor& z, const Tensor& value) const {
  const Tensor inside = at::logical_and(z >= reference->domain.first, z <= reference->domain.second).flatten(1).all(1);
  return at::where(inside, value, at::full({}, -std::numeric_limits<double>::infinity(), value.options()));
}

PriorCurves ComponentPrior::curves(int64_t points) {
  const c10::AutoGradMode no_grad(false);
  const auto [a, b] = reference->domain;
  const auto dtype = layer->coefficients.options();
  const Tensor z = at::linspace(a, b, points, dtype.dtype(at::kDouble)).to(dtype);
  const Tensor grid = z.reshape({-1, 1, 1}).expand({points, layer->outputs, layer->inputs}).contiguous();
  const auto& [knots, tau, weights] = frozen();
  const Tensor energy = ops::edge_values(grid, knots, tau, weights, layer->spec, 0);
  const Tensor log_reference = reference->log_density(grid);
  const Tensor cdf = ops::forward_cdf(grid.flatten(1), table().inverse).reshape_as(grid);
  return {z, energy, log_reference, (energy + log_reference - table().log_normaliser.detach().t()).exp(), cdf};
}

}  // namespace kaem
