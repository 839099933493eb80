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

void ComponentPrior::set_flat(const Tensor& which) {
  const c10::AutoGradMode no_grad(false);
  layer->spline_weight.masked_fill_(which.t(), 0);
  if (layer->base_weight.defined()) layer->base_weight.masked_fill_(which.t(), 0);
}

Components::Components(ComponentPrior& component_prior)
    : prior(component_prior),
      layer(*prior.layer),
      reference(*prior.reference),
      with_graph_(c10::GradMode::is_enabled()),
      versions_(versions_of(prior)),
      edges_{layer.knots(), layer.bandwidth(), layer.weights()},
      constants_{edges_.knots.detach(), edges_.tau.detach(), edges_.weights.detach()} {}

const Edges& Components::edges() const {
  check_current(versions_);
  return edges_;
}

const Edges& Components::constants() const {
  check_current(versions_);
  return constants_;
}

const PriorTable& Components::table() const {
  check_current(versions_);
  if (!table_) {
    // Samplers ask first and want no graph, the criterion after them does: one table serves both.
    const c10::AutoGradMode as_when_made(with_graph_);
    table_ = build_table(edges_, layer, reference, prior.options.quadrature_nodes, prior.cells);
  }
  return *table_;
}

Tensor Components::sample(int64_t n, const Rng& rng, Stream stream, int64_t step, int64_t first_index) const {
  const Tensor u = draw_uniforms(prior.options.uniforms, n, layer.inputs * layer.outputs, rng, stream, step,
                                 layer.coefficients.options(), first_index);
  return ops::inverse_cdf(u, table().inverse).reshape({n, layer.outputs, layer.inputs});
}

PriorCurves Components::curves(int64_t points) const {
  const c10::AutoGradMode no_grad(false);
  const auto [a, b] = reference.domain;
  const auto dtype = layer.coefficients.options();
  const Tensor z = at::linspace(a, b, points, dtype.dtype(at::kDouble)).to(dtype);
  const Tensor grid = z.reshape({-1, 1, 1}).expand({points, layer.outputs, layer.inputs}).contiguous();
  const auto& [knots, tau, weights] = constants();
  const Tensor energy = ops::edge_values(grid, knots, tau, weights, layer.spec, 0);
  const Tensor log_reference = reference.log_density(grid);
  const Tensor cdf = ops::forward_cdf(grid.flatten(1), table().inverse).reshape_as(grid);
  return {z, energy, log_reference, (energy + log_reference - table().log_normaliser.detach().t()).exp(), cdf};
}

}  // namespace kaem
