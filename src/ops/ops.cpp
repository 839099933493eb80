#include "kaem/ops/ops.h"

namespace kaem::ops {

using at::Tensor;

int64_t feature_count(const BasisSpec& spec, int64_t grid_intervals) {
  const int64_t extra = spec.activation == Activation::kNone ? 0 : 1;
  switch (spec.kind) {
    case BasisKind::kBSpline: return grid_intervals + spec.degree + extra;
    case BasisKind::kFft: return 2 * grid_intervals + 1 + extra;
    case BasisKind::kCheby: return spec.degree + 1 + extra;
    default: return grid_intervals + 1 + extra;
  }
}

Tensor basis(const Tensor& x, const Tensor& knots, const Tensor& tau, const BasisSpec& spec, const Tensor& cell) {
  return reference::basis(x, knots, tau, spec, cell);
}
Tensor basis_derivative(const Tensor& x, const Tensor& knots, const Tensor& tau, const BasisSpec& spec) {
  return reference::basis_derivative(x, knots, tau, spec);
}
Tensor fold_weights(const Tensor& base_weight, const Tensor& spline_weight, const Tensor& coefficients) {
  return reference::fold_weights(base_weight, spline_weight, coefficients);
}
Tensor edge_sum(const Tensor& z, const Tensor& knots, const Tensor& tau, const Tensor& weights, const BasisSpec& spec) {
  return reference::edge_sum(z, knots, tau, weights, spec);
}
Tensor edge_values(const Tensor& z, const Tensor& knots, const Tensor& tau, const Tensor& weights, const BasisSpec& spec,
                   int64_t order) {
  return reference::edge_values(z, knots, tau, weights, spec, order);
}
CellMasses cell_masses(const Tensor& log_density, const Tensor& widths, bool split_edges) {
  return reference::cell_masses(log_density, widths, split_edges);
}
Tensor inverse_cdf(const Tensor& u, const InverseTable& table) { return reference::inverse_cdf(u, table); }
Tensor forward_cdf(const Tensor& z, const InverseTable& table) { return reference::forward_cdf(z, table); }
std::string_view cpu_kernel_level() { return "default"; }

}  // namespace kaem::ops
