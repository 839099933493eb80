// The public operators: argument checks, and the choice between the fused kernels (float32) and the plain-ATen
// reference.
#include "kaem/ops/ops.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <array>

#include "ops/autograd.h"
#include "ops/edges.h"
#include "ops/math.h"
#include "ops/simd/table.h"

namespace kaem::ops {
namespace {

using at::Tensor;

/// Whether the fused kernels have this tensor's type on its device; all others take the reference implementation, with
/// ATen's own gradients.
bool fused(const Tensor& t) { return t.scalar_type() == at::kFloat && (t.is_cpu() || t.is_cuda()); }

bool tracked(const Tensor& t) { return c10::GradMode::is_enabled() && t.requires_grad(); }

/// Whether a gradient of a basis is wanted that only the reference implementation has: that of knots, and of a
/// frequency.
bool needs_reference(const Tensor& knots, const Tensor& tau, const BasisSpec& spec) {
  return tracked(knots) || (spec.kind == BasisKind::kMorlet && tracked(tau));
}

void check_same_kind(const char* op, const char* name, const Tensor& t, const Tensor& like) {
  TORCH_CHECK_VALUE(t.scalar_type() == like.scalar_type() && t.device() == like.device(), op, ": expected ", name,
                    " of type ", like.scalar_type(), " on ", like.device(), ", got ", t.scalar_type(), " on ",
                    t.device());
}

void check_basis(const char* op, const Tensor& x, int64_t inputs, const Tensor& knots, const Tensor& tau,
                 const BasisSpec& spec, int64_t rows_of_edges = 0) {
  const bool wavelet = is_wavelet(spec.kind);
  const bool rows = knots.dim() == 2 && (knots.size(0) == inputs || (wavelet && knots.size(0) == rows_of_edges));
  TORCH_CHECK_VALUE(rows && knots.size(1) >= 2 && (!wavelet || knots.size(1) % 2 == 0), op, ": expected knots [",
                    inputs, wavelet ? ", 2G], got " : ", G+1], got ", knots.sizes());
  TORCH_CHECK_VALUE(tau.numel() == 1, op, ": expected tau [], got ", tau.sizes());
  TORCH_CHECK_VALUE(spec.degree >= 0 && spec.degree <= math::kMaxDegree, op, ": expected a degree of 0 to ",
                    math::kMaxDegree, ", got ", spec.degree);
  check_same_kind(op, "knots", knots, x);
  check_same_kind(op, "tau", tau, x);
}

void check_fold(const char* op, const Tensor& base_weight, const Tensor& spline_weight, const Tensor& coefficients) {
  TORCH_CHECK_VALUE(coefficients.dim() == 3, op, ": expected coefficients [I, G', O], got ", coefficients.sizes());
  const std::array<int64_t, 2> want = {coefficients.size(0), coefficients.size(2)};
  TORCH_CHECK_VALUE(spline_weight.sizes() == at::IntArrayRef(want), op, ": expected spline_weight ",
                    at::IntArrayRef(want), ", got ", spline_weight.sizes());
  check_same_kind(op, "spline_weight", spline_weight, coefficients);
  if (!base_weight.defined()) return;
  TORCH_CHECK_VALUE(base_weight.sizes() == at::IntArrayRef(want), op, ": expected base_weight ", at::IntArrayRef(want),
                    ", got ", base_weight.sizes());
  check_same_kind(op, "base_weight", base_weight, coefficients);
}

void check_edges(const char* op, const Tensor& z, const Tensor& knots, const Tensor& tau, const Tensor& weights,
                 const BasisSpec& spec) {
  TORCH_CHECK_VALUE(z.dim() == 3, op, ": expected z [S, Q, P], got ", z.sizes());
  check_basis(op, z, z.size(2), knots, tau, spec, z.size(1) * z.size(2));
  const int64_t features = feature_count(spec, grid_size_of(spec, knots));
  TORCH_CHECK_VALUE(
      weights.dim() == 3 && weights.size(0) == z.size(2) && weights.size(1) == features && weights.size(2) == z.size(1),
      op, ": expected weights [", z.size(2), ", ", features, ", ", z.size(1), "], got ", weights.sizes());
  check_same_kind(op, "weights", weights, z);
}

void check_table(const char* op, const char* name, const Tensor& x, const InverseTable& table) {
  TORCH_CHECK_VALUE(x.dim() == 2, op, ": expected ", name, " [S, C], got ", x.sizes());
  for (const auto* t : {&table.cells, &table.cdf_offset, &table.slope_offset, &table.edge_offset}) {
    TORCH_CHECK_VALUE(t->dim() == 1 && t->size(0) == x.size(1) && t->scalar_type() == at::kLong, op,
                      ": expected cells and offsets int64 [", x.size(1), "], got ", t->scalar_type(), " ", t->sizes());
  }
  check_same_kind(op, "cdf", table.cdf, x);
  check_same_kind(op, "slope", table.slope, x);
  check_same_kind(op, "edges", table.edges, x);
}

}  // namespace

int64_t grid_size_of(const BasisSpec& spec, const Tensor& knots) {
  return is_wavelet(spec.kind) ? knots.size(1) / 2 : knots.size(1) - 1;
}

int64_t feature_count(const BasisSpec& spec, int64_t grid_size) {
  const int64_t extra = spec.activation == Activation::kNone ? 0 : 1;
  switch (spec.kind) {
    case BasisKind::kBSpline:
      return grid_size + spec.degree + extra;
    case BasisKind::kFft:
      return 2 * grid_size + 1 + extra;
    case BasisKind::kCheby:
      return spec.degree + 1 + extra;
    default:
      return grid_size + (is_wavelet(spec.kind) ? 0 : 1) + extra;
  }
}

Tensor basis(const Tensor& x, const Tensor& knots, const Tensor& tau, const BasisSpec& spec, const Tensor& cell) {
  TORCH_CHECK_VALUE(x.dim() == 2, "basis: expected x [N, I], got ", x.sizes());
  check_basis("basis", x, x.size(1), knots, tau, spec);
  if (cell.defined()) {
    TORCH_CHECK_VALUE(cell.sizes() == x.sizes(), "basis: expected cell ", x.sizes(), ", got ", cell.sizes());
    check_same_kind("basis", "cell", cell, x);
  }
  return fused(x) && !needs_reference(knots, tau, spec) ? autograd::basis(x, knots, tau, spec, cell)
                                                        : reference::basis(x, knots, tau, spec, cell);
}

Tensor edge_features(const Tensor& z, const Tensor& knots, const Tensor& tau, const BasisSpec& spec) {
  TORCH_CHECK_VALUE(z.dim() == 3, "edge_features: expected z [S, Q, P], got ", z.sizes());
  check_basis("edge_features", z, z.size(2), knots, tau, spec, z.size(1) * z.size(2));
  return of_edges(z, knots, [&](const Tensor& x) { return basis(x, knots, tau, spec); });
}

Tensor basis_derivative(const Tensor& x, const Tensor& knots, const Tensor& tau, const BasisSpec& spec) {
  TORCH_CHECK_VALUE(x.dim() == 2, "basis_derivative: expected x [N, I], got ", x.sizes());
  check_basis("basis_derivative", x, x.size(1), knots, tau, spec);
  if (!fused(x)) return reference::basis_derivative(x, knots, tau, spec);
  const c10::AutoGradMode no_grad(false);
  return raw::basis_derivative(x, knots, tau, static_cast<int64_t>(spec.kind), spec.degree,
                               static_cast<int64_t>(spec.activation));
}

Tensor basis_pullback(const Tensor& grad, const Tensor& x, const Tensor& knots, const Tensor& tau,
                      const BasisSpec& spec) {
  TORCH_CHECK_VALUE(x.dim() == 2, "basis_pullback: expected x [N, I], got ", x.sizes());
  check_basis("basis_pullback", x, x.size(1), knots, tau, spec);
  const std::array<int64_t, 3> want = {x.size(0), x.size(1), feature_count(spec, grid_size_of(spec, knots))};
  TORCH_CHECK_VALUE(grad.sizes() == at::IntArrayRef(want), "basis_pullback: expected grad ", at::IntArrayRef(want),
                    ", got ", grad.sizes());
  check_same_kind("basis_pullback", "grad", grad, x);
  const c10::AutoGradMode no_grad(false);
  if (!fused(x)) return (grad * reference::basis_derivative(x, knots, tau, spec)).sum(-1);
  return std::get<0>(raw::basis_backward(grad, x, std::nullopt, knots, tau, static_cast<int64_t>(spec.kind),
                                         spec.degree, static_cast<int64_t>(spec.activation), {true, false}));
}

Tensor fold_weights(const Tensor& base_weight, const Tensor& spline_weight, const Tensor& coefficients) {
  check_fold("fold_weights", base_weight, spline_weight, coefficients);
  return fused(coefficients) ? autograd::fold_weights(base_weight, spline_weight, coefficients)
                             : reference::fold_weights(base_weight, spline_weight, coefficients);
}

Tensor kan_layer(const Tensor& x, const Tensor& knots, const Tensor& tau, const Tensor& base_weight,
                 const Tensor& spline_weight, const Tensor& coefficients, const BasisSpec& spec, Precision precision) {
  TORCH_CHECK_VALUE(x.dim() == 2, "kan_layer: expected x [N, I], got ", x.sizes());
  check_basis("kan_layer", x, x.size(1), knots, tau, spec);
  check_fold("kan_layer", base_weight, spline_weight, coefficients);
  const int64_t features = coefficients.size(1) + (base_weight.defined() ? 1 : 0),
                wanted = feature_count(spec, grid_size_of(spec, knots));
  TORCH_CHECK_VALUE(coefficients.size(0) == x.size(1) && features == wanted,
                    "kan_layer: expected coefficients (and base_weight) for ", x.size(1), " inputs of ", wanted,
                    " features, got ", coefficients.sizes(), base_weight.defined() ? " and base_weight" : "");
  TORCH_CHECK_VALUE(base_weight.defined() == (spec.activation != Activation::kNone),
                    "kan_layer: expected base_weight if, and only if, there is a base activation");
  check_same_kind("kan_layer", "coefficients", coefficients, x);
  return fused(x) && !needs_reference(knots, tau, spec)
             ? autograd::kan_layer(x, knots, tau, base_weight, spline_weight, coefficients, spec, precision)
             : reference::kan_layer(x, knots, tau, base_weight, spline_weight, coefficients, spec, precision);
}

Tensor weighted_edge_sum(const Tensor& z, const Tensor& weight, const Tensor& knots, const Tensor& tau,
                         const Tensor& weights, const BasisSpec& spec) {
  check_edges("weighted_edge_sum", z, knots, tau, weights, spec);
  TORCH_CHECK_VALUE(weight.dim() == 1 && weight.size(0) == z.size(0), "weighted_edge_sum: expected weight [", z.size(0),
                    "], got ", weight.sizes());
  if (fused(z) && !needs_reference(knots, tau, spec) && !tracked(weight) &&
      (tracked(z) || tracked(tau) || tracked(weights)))
    return autograd::weighted_edge_sum(z, weight, knots, tau, weights, spec);
  return (weight * edge_sum(z, knots, tau, weights, spec)).sum();
}

Tensor edge_sum(const Tensor& z, const Tensor& knots, const Tensor& tau, const Tensor& weights, const BasisSpec& spec) {
  check_edges("edge_sum", z, knots, tau, weights, spec);
  return fused(z) && !needs_reference(knots, tau, spec) ? autograd::edge_sum(z, knots, tau, weights, spec)
                                                        : reference::edge_sum(z, knots, tau, weights, spec);
}

Tensor edge_values(const Tensor& z, const Tensor& knots, const Tensor& tau, const Tensor& weights,
                   const BasisSpec& spec, int64_t order) {
  check_edges("edge_values", z, knots, tau, weights, spec);
  TORCH_CHECK_VALUE(order == 0 || order == 1, "edge_values: expected order 0 or 1, got ", order);
  if (!fused(z)) return reference::edge_values(z, knots, tau, weights, spec, order);
  const c10::AutoGradMode no_grad(false);
  return raw::edge_values(z, knots, tau, weights, static_cast<int64_t>(spec.kind), spec.degree,
                          static_cast<int64_t>(spec.activation), order);
}

CellMasses cell_masses(const Tensor& log_density, const Tensor& widths, bool split_edges) {
  TORCH_CHECK_VALUE(log_density.dim() == 2, "cell_masses: expected log_density [C, K], got ", log_density.sizes());
  TORCH_CHECK_VALUE(widths.dim() == 2 && widths.size(0) > 0 && log_density.size(0) % widths.size(0) == 0,
                    "cell_masses: expected widths [C/R, M] with C = ", log_density.size(0), ", got ", widths.sizes());
  const int64_t nodes = split_edges ? 3 * widths.size(1) : 2 * widths.size(1) + 1;
  TORCH_CHECK_VALUE(log_density.size(1) == nodes && widths.size(1) > 0, "cell_masses: expected log_density [C, ", nodes,
                    "] for ", widths.size(1), " cells, got ", log_density.sizes());
  check_same_kind("cell_masses", "widths", widths, log_density);
  return fused(log_density) && !tracked(widths) ? autograd::cell_masses(log_density, widths, split_edges)
                                                : reference::cell_masses(log_density, widths, split_edges);
}

Tensor langevin_move(const Tensor& z, const Tensor& prior, const Tensor& likelihood, const Tensor& noise,
                     const Tensor& temperature, double step, double lower, double upper) {
  TORCH_CHECK_VALUE(z.dim() >= 2 && prior.sizes() == z.sizes() && noise.sizes() == z.sizes(),
                    "langevin_move: expected z, prior and noise of one shape [T,...,L], got ", z.sizes(), ", ",
                    prior.sizes(), ", ", noise.sizes());
  TORCH_CHECK_VALUE(!likelihood.defined() || likelihood.sizes() == z.sizes(), "langevin_move: expected likelihood ",
                    z.sizes(), ", got ", likelihood.sizes());
  TORCH_CHECK_VALUE(temperature.dim() == 1 && (temperature.size(0) == z.size(0) || temperature.size(0) == 1),
                    "langevin_move: expected temperature [", z.size(0), "], got ", temperature.sizes());
  const c10::AutoGradMode no_grad(false);
  const bool same =
      prior.scalar_type() == at::kFloat && (!likelihood.defined() || likelihood.scalar_type() == at::kFloat);
  if (!fused(z) || !same) return reference::langevin_move(z, prior, likelihood, noise, temperature, step, lower, upper);
  raw::Optional gradient;
  int64_t repeat = 1;
  if (likelihood.defined()) {
    const bool repeats = likelihood.size(-1) > 1 && likelihood.stride(-1) == 0;
    if (repeats) repeat = likelihood.size(-1);
    gradient = (repeats ? likelihood.select(-1, 0) : likelihood).contiguous();
  }
  return raw::langevin_move(z.contiguous(), prior.contiguous(), gradient, repeat, noise.to(z.options()).contiguous(),
                            temperature.to(z.options()).contiguous(), step, lower, upper);
}

Tensor inverse_cdf(const Tensor& u, const InverseTable& t) {
  check_table("inverse_cdf", "u", u, t);
  if (!fused(u)) return reference::inverse_cdf(u, t);
  const c10::AutoGradMode no_grad(false);
  return raw::inverse_cdf(u, t.cells, t.cdf_offset, t.slope_offset, t.edge_offset, t.cdf, t.slope, t.edges);
}

Tensor forward_cdf(const Tensor& z, const InverseTable& t) {
  check_table("forward_cdf", "z", z, t);
  if (!fused(z)) return reference::forward_cdf(z, t);
  const c10::AutoGradMode no_grad(false);
  return raw::forward_cdf(z, t.cells, t.cdf_offset, t.slope_offset, t.edge_offset, t.cdf, t.slope, t.edges);
}

std::string_view cpu_kernel_level() { return simd::kernels().level; }

}  // namespace kaem::ops
