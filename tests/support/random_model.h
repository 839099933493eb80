#pragma once

#include <gtest/gtest.h>
#include <torch/types.h>

#include <array>
#include <cmath>
#include <numbers>
#include <string>
#include <vector>

#include "kaem/core/rng.h"
#include "kaem/core/str.h"
#include "kaem/kan/layer.h"
#include "kaem/ops/ops.h"
#include "kaem/prior/prior.h"

/// Priors with random curves of a given size, and their distribution functions by brute-force quadrature.
namespace kaem::test {

inline KanLayer layer_of(const std::shared_ptr<Prior>& prior) {
  for (const auto& child : prior->named_children())
    if (child.key() == "layer") return KanLayer(std::dynamic_pointer_cast<KanLayerImpl>(child.value()));
  throw std::logic_error("the prior has no layer");
}

/// log π0 by its definition (docs/mathematics.md section 2), written apart from the library's.
inline at::Tensor log_reference(const std::string& name, const at::Tensor& z, double mean = 0, double scale = 1) {
  const double half_log = 0.5 * std::log(2 * std::numbers::pi);
  if (name == "gaussian" || name == "learnable_gaussian")
    return -((z - mean) / scale).square() / 2 - std::log(scale) - half_log;
  if (name == "lognormal") return -z.log().square() / 2 - z.log() - half_log;
  return torch::zeros_like(z);
}

/// Nodes and weights of n-point Gauss-Legendre quadrature on [-1,1], by Newton's method.
inline std::pair<std::vector<double>, std::vector<double>> gauss_legendre(int n) {
  std::vector<double> nodes(n), weights(n);
  for (int i = 0; i < n; ++i) {
    double x = std::cos(std::numbers::pi * (i + 0.75) / (n + 0.5)), slope = 1;
    for (int iteration = 0; iteration < 100; ++iteration) {
      double p0 = 1, p1 = x;
      for (int k = 2; k <= n; ++k) p0 = std::exchange(p1, ((2 * k - 1) * x * p1 - (k - 1) * p0) / k);
      slope = n * (x * p1 - p0) / (x * x - 1);
      x -= p1 / slope;
    }
    nodes[i] = x, weights[i] = 2 / ((1 - x * x) * slope * slope);
  }
  return {nodes, weights};
}

/// Energies of every component at points z [K] in float64, from the layer's parameters: [K,Q,P].
inline at::Tensor energies(const KanLayerImpl& layer, const at::Tensor& z, const at::Tensor& cell = {}) {
  const at::Tensor knots = layer.knots().to(at::kDouble), tau = layer.bandwidth().to(at::kDouble);
  const auto wide = [&](const at::Tensor& t) { return t.defined() ? t.to(at::kDouble) : t; };
  const at::Tensor weights =
      ops::reference::fold_weights(wide(layer.base_weight), wide(layer.spline_weight), wide(layer.coefficients));
  if (ops::is_wavelet(layer.spec.kind)) {
    const at::Tensor all = z.reshape({-1, 1, 1}).expand({z.size(0), layer.outputs, layer.inputs});
    return torch::einsum("kqpf,pfq->kqp", {ops::edge_features(all, knots, tau, layer.spec), weights});
  }
  const auto spread = [&](const at::Tensor& t) {
    return t.unsqueeze(1).expand({t.size(0), layer.inputs}).contiguous();
  };
  const at::Tensor phi = ops::reference::basis(spread(z), knots, tau, layer.spec, cell.defined() ? spread(cell) : cell);
  return torch::einsum("kpf,pfq->kqp", {phi, weights});
}

/// Distribution functions by Gauss-Legendre quadrature on many panels.
struct Truth {
  at::Tensor z;         ///< [K] panel ends, ascending
  at::Tensor cdf;       ///< [K,Q,P]
  at::Tensor log_mass;  ///< [Q,P] log Z
};

inline Truth quadrature(const std::shared_ptr<Prior>& prior, const std::string& reference, int64_t panels = 6000) {
  const torch::NoGradGuard no_grad;
  const KanLayer layer = layer_of(prior);
  const auto [a, b] = prior->domain();
  std::vector<at::Tensor> ends = {torch::linspace(a, b, panels + 1, torch::kDouble)};
  // Other curves are pieces between knots; wavelets have derivatives everywhere.
  if (!ops::is_wavelet(layer->spec.kind)) ends.push_back(layer->knots().to(at::kDouble).flatten());
  if (a < 0 && b > 0) ends.push_back(torch::zeros({1}, torch::kDouble));
  at::Tensor z = std::get<0>(torch::cat(ends).clamp(a, b).sort());
  // Panels are many, as what reads the truth interpolates: three nodes are exact to 1e-12 on each.
  const auto [nodes, node_weights] = gauss_legendre(3);
  const auto n = static_cast<int64_t>(nodes.size());
  const at::Tensor x = torch::tensor(nodes, torch::kDouble), w = torch::tensor(node_weights, torch::kDouble);
  const at::Tensor half = 0.5 * (z.slice(0, 1) - z.slice(0, 0, -1)), middle = 0.5 * (z.slice(0, 1) + z.slice(0, 0, -1));
  const at::Tensor points = (middle.unsqueeze(1) + half.unsqueeze(1) * x).flatten();
  const at::Tensor log_density = energies(*layer, points) + log_reference(reference, points).reshape({-1, 1, 1});
  const at::Tensor top = log_density.amax(0);
  const at::Tensor density = (log_density - top).exp().reshape({-1, n, layer->outputs, layer->inputs});
  const at::Tensor mass = (density * w.reshape({1, n, 1, 1})).sum(1) * half.reshape({-1, 1, 1});
  const at::Tensor running = torch::cat({torch::zeros_like(mass.slice(0, 0, 1)), mass.cumsum(0)});
  return {z, running / running[-1], running[-1].log() + top};
}

/// Densities of components at z [S,Q,P], each at its own points, by the quadrature's normalisers.
inline at::Tensor densities(const std::shared_ptr<Prior>& prior, const std::string& reference, const at::Tensor& z,
                            const Truth& truth) {
  const torch::NoGradGuard no_grad;
  const KanLayer layer = layer_of(prior);
  const auto wide = [](const at::Tensor& t) { return t.defined() ? t.to(at::kDouble) : t; };
  const at::Tensor weights =
      ops::reference::fold_weights(wide(layer->base_weight), wide(layer->spline_weight), wide(layer->coefficients));
  const at::Tensor energy =
      ops::reference::edge_values(wide(z), wide(layer->knots()), wide(layer->bandwidth()), weights, layer->spec, 0);
  return (energy + log_reference(reference, wide(z)) - truth.log_mass).exp();
}

/// The parameters that knots are made of.
inline std::vector<at::Tensor> knot_parameters(const KanLayer& layer) {
  if (layer->gaps.defined()) return {layer->gaps};
  return {layer->translations, layer->scales};
}

struct PriorCase {
  std::string basis = "RBF", reference = "ebm", activation = "silu";
  double size = 10;  ///< largest |energy| on the domain
  int64_t degree = 3;
  int64_t inputs = 2, outputs = 3, grid = 20;
  at::ScalarType dtype = torch::kDouble;
  std::string uniforms = "independent";
  MixtureOptions mixture = {};
  bool trainable_knots = false, contrastive = false;
};

/// A prior whose curves are random with max |f| = size on the domain, each component of its own shape.
inline std::shared_ptr<Prior> random_prior(const PriorCase& c, uint64_t seed) {
  PriorOptions options;
  options.layer_widths = {c.inputs, c.outputs};
  options.reference = c.reference;
  options.uniforms = c.uniforms;
  options.basis = {.kind = c.basis, .degree = c.degree, .grid_size = c.grid, .activation = c.activation};
  options.basis.grid_trainable = c.trainable_knots;
  options.mixture = c.mixture;
  options.contrastive_divergence = c.contrastive;
  const Rng rng(seed);
  auto prior = make_prior(options, rng);
  prior->to(c.dtype);
  const torch::NoGradGuard no_grad;
  const KanLayer layer = layer_of(prior);
  if (layer->gaps.defined()) layer->gaps.add_(rng.normal(Stream::kTest, 4, layer->gaps.sizes()));
  if (layer->translations.defined()) {
    layer->translations.add_(0.3 * rng.normal(Stream::kTest, 4, layer->translations.sizes()));
    layer->scales.mul_((0.3 * rng.normal(Stream::kTest, 9, layer->scales.sizes())).exp());
  }
  int64_t part = 5;
  for (auto& parameter : prior->named_parameters(/*recurse=*/false))  // the mixture's proportions
    parameter.value().add_(rng.normal(Stream::kTest, part++, parameter.value().sizes()));
  layer->spline_weight.copy_(1 + 0.5 * rng.normal(Stream::kTest, 1, layer->spline_weight.sizes()));
  layer->coefficients.copy_(rng.normal(Stream::kTest, 2, layer->coefficients.sizes()));
  if (layer->base_weight.defined()) layer->base_weight.copy_(rng.normal(Stream::kTest, 3, layer->base_weight.sizes()));
  const auto [a, b] = prior->domain();
  const at::Tensor f = energies(*layer, torch::linspace(a, b, 2001, torch::kDouble));
  const at::Tensor scale = (c.size / f.abs().amax(0)).t().to(c.dtype);  // [P,Q]
  layer->spline_weight.mul_(scale);
  if (layer->base_weight.defined()) layer->base_weight.mul_(scale);
  return prior;
}

}  // namespace kaem::test
