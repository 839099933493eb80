// Schemas of the raw operators, their typed calls, and the registration of the plain-ATen reference for every device.
#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/library.h>

#include "ops/raw_ops.h"

// The three numbers of a BasisSpec.
#define KAEM_SPEC "int kind, int degree, int activation"
#define KAEM_TABLE \
  "Tensor cells, Tensor cdf_offset, Tensor slope_offset, Tensor edge_offset, Tensor cdf, Tensor slope, Tensor edges"

TORCH_LIBRARY(kaem, m) {
  m.def("basis_forward(Tensor x, Tensor? cell, Tensor knots, Tensor tau, " KAEM_SPEC ") -> Tensor");
  m.def("basis_derivative(Tensor x, Tensor knots, Tensor tau, " KAEM_SPEC ") -> Tensor");
  m.def("basis_backward(Tensor grad, Tensor x, Tensor? cell, Tensor knots, Tensor tau, " KAEM_SPEC
        ", bool[2] wanted) -> (Tensor, Tensor)");
  m.def("fold_forward(Tensor? base_weight, Tensor spline_weight, Tensor coefficients) -> Tensor");
  m.def(
      "fold_backward(Tensor grad, Tensor spline_weight, Tensor coefficients, Tensor(a!)? base_out, "
      "Tensor(b!)? spline_out, Tensor(c!)? coefficients_out) -> ()");
  m.def("edge_sum_forward(Tensor z, Tensor knots, Tensor tau, Tensor weights, " KAEM_SPEC ") -> Tensor");
  m.def("edge_sum_backward(Tensor grad, Tensor z, Tensor knots, Tensor tau, Tensor weights, " KAEM_SPEC
        ", bool[3] wanted) -> (Tensor, Tensor, Tensor)");
  m.def("edge_values(Tensor z, Tensor knots, Tensor tau, Tensor weights, " KAEM_SPEC ", int order) -> Tensor");
  m.def("mixture_score(Tensor z, Tensor knots, Tensor tau, Tensor weights, Tensor constant, " KAEM_SPEC ") -> Tensor");
  m.def("output_error(Tensor x, Tensor generated, float steepness, Tensor scale) -> (Tensor, Tensor)");
  m.def(
      "cell_masses(Tensor log_density, Tensor widths, bool split_edges, bool with_gradient)"
      " -> (Tensor, Tensor, Tensor, Tensor, Tensor)");
  m.def(
      "langevin_move(Tensor z, Tensor prior, Tensor? likelihood, int repeat, Tensor noise, Tensor temperature, "
      "float step, float lower, float upper) -> Tensor");
  m.def("fill_random(Tensor(a!) out, Tensor? counter, int seed, int stream, int step, int first, bool normal) -> ()");
  m.def("inverse_cdf(Tensor u, " KAEM_TABLE ") -> Tensor");
  m.def("forward_cdf(Tensor z, " KAEM_TABLE ") -> Tensor");
}

TORCH_LIBRARY_IMPL(kaem, CompositeExplicitAutograd, m) {
  namespace plain = kaem::ops::raw::composite;
  m.impl("basis_forward", plain::basis_forward);
  m.impl("basis_derivative", plain::basis_derivative);
  m.impl("basis_backward", plain::basis_backward);
  m.impl("fold_forward", plain::fold_forward);
  m.impl("fold_backward", plain::fold_backward);
  m.impl("edge_sum_forward", plain::edge_sum_forward);
  m.impl("edge_sum_backward", plain::edge_sum_backward);
  m.impl("edge_values", plain::edge_values);
  m.impl("mixture_score", plain::mixture_score);
  m.impl("output_error", plain::output_error);
  m.impl("cell_masses", plain::cell_masses);
  m.impl("langevin_move", plain::langevin_move);
  m.impl("inverse_cdf", plain::inverse_cdf);
  m.impl("forward_cdf", plain::forward_cdf);
}

namespace kaem::ops::raw {
namespace {

/// The dispatcher's handle of an operator, with the signature of the function that stands for it here.
template <class F>
auto typed(const char* name, F*) {
  return c10::Dispatcher::singleton().findSchemaOrThrow(name, "").typed<F>();
}

}  // namespace

Tensor basis_forward(const Tensor& x, const Optional& cell, const Tensor& knots, const Tensor& tau, int64_t kind,
                     int64_t degree, int64_t activation) {
  static const auto op = typed("kaem::basis_forward", &basis_forward);
  return op.call(x, cell, knots, tau, kind, degree, activation);
}

Tensor basis_derivative(const Tensor& x, const Tensor& knots, const Tensor& tau, int64_t kind, int64_t degree,
                        int64_t activation) {
  static const auto op = typed("kaem::basis_derivative", &basis_derivative);
  return op.call(x, knots, tau, kind, degree, activation);
}

std::tuple<Tensor, Tensor> basis_backward(const Tensor& grad, const Tensor& x, const Optional& cell,
                                          const Tensor& knots, const Tensor& tau, int64_t kind, int64_t degree,
                                          int64_t activation, std::array<bool, 2> wanted) {
  static const auto op = typed("kaem::basis_backward", &basis_backward);
  return op.call(grad, x, cell, knots, tau, kind, degree, activation, wanted);
}

Tensor fold_forward(const Optional& base_weight, const Tensor& spline_weight, const Tensor& coefficients) {
  static const auto op = typed("kaem::fold_forward", &fold_forward);
  return op.call(base_weight, spline_weight, coefficients);
}

void fold_backward(const Tensor& grad, const Tensor& spline_weight, const Tensor& coefficients,
                   const Optional& base_out, const Optional& spline_out, const Optional& coefficients_out) {
  static const auto op = typed("kaem::fold_backward", &fold_backward);
  op.call(grad, spline_weight, coefficients, base_out, spline_out, coefficients_out);
}

Tensor edge_sum_forward(const Tensor& z, const Tensor& knots, const Tensor& tau, const Tensor& weights, int64_t kind,
                        int64_t degree, int64_t activation) {
  static const auto op = typed("kaem::edge_sum_forward", &edge_sum_forward);
  return op.call(z, knots, tau, weights, kind, degree, activation);
}

Three edge_sum_backward(const Tensor& grad, const Tensor& z, const Tensor& knots, const Tensor& tau,
                        const Tensor& weights, int64_t kind, int64_t degree, int64_t activation,
                        std::array<bool, 3> wanted) {
  static const auto op = typed("kaem::edge_sum_backward", &edge_sum_backward);
  return op.call(grad, z, knots, tau, weights, kind, degree, activation, wanted);
}

Tensor edge_values(const Tensor& z, const Tensor& knots, const Tensor& tau, const Tensor& weights, int64_t kind,
                   int64_t degree, int64_t activation, int64_t order) {
  static const auto op = typed("kaem::edge_values", &edge_values);
  return op.call(z, knots, tau, weights, kind, degree, activation, order);
}

Tensor mixture_score(const Tensor& z, const Tensor& knots, const Tensor& tau, const Tensor& weights,
                     const Tensor& constant, int64_t kind, int64_t degree, int64_t activation) {
  static const auto op = typed("kaem::mixture_score", &mixture_score);
  return op.call(z, knots, tau, weights, constant, kind, degree, activation);
}

std::tuple<Tensor, Tensor> output_error(const Tensor& x, const Tensor& generated, double steepness,
                                        const Tensor& scale) {
  static const auto op = typed("kaem::output_error", &output_error);
  return op.call(x, generated, steepness, scale);
}

Five cell_masses(const Tensor& log_density, const Tensor& widths, bool split_edges, bool with_gradient) {
  static const auto op = typed("kaem::cell_masses", &cell_masses);
  return op.call(log_density, widths, split_edges, with_gradient);
}

Tensor langevin_move(const Tensor& z, const Tensor& prior, const Optional& likelihood, int64_t repeat,
                     const Tensor& noise, const Tensor& temperature, double step, double lower, double upper) {
  static const auto op = typed("kaem::langevin_move", &langevin_move);
  return op.call(z, prior, likelihood, repeat, noise, temperature, step, lower, upper);
}

Tensor inverse_cdf(const Tensor& u, const Tensor& cells, const Tensor& cdf_offset, const Tensor& slope_offset,
                   const Tensor& edge_offset, const Tensor& cdf, const Tensor& slope, const Tensor& edges) {
  static const auto op = typed("kaem::inverse_cdf", &inverse_cdf);
  return op.call(u, cells, cdf_offset, slope_offset, edge_offset, cdf, slope, edges);
}

Tensor forward_cdf(const Tensor& z, const Tensor& cells, const Tensor& cdf_offset, const Tensor& slope_offset,
                   const Tensor& edge_offset, const Tensor& cdf, const Tensor& slope, const Tensor& edges) {
  static const auto op = typed("kaem::forward_cdf", &forward_cdf);
  return op.call(z, cells, cdf_offset, slope_offset, edge_offset, cdf, slope, edges);
}

}  // namespace kaem::ops::raw
