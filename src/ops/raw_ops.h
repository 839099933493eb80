#pragma once

// The operators as the dispatcher knows them (schemas: ops.cpp), as typed calls.

#include <ATen/core/Tensor.h>

#include <array>
#include <optional>
#include <tuple>

#include "kaem/ops/ops.h"

namespace kaem::ops::raw {

using at::Tensor;
using Optional = std::optional<Tensor>;
using Five = std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor>;
using Three = std::tuple<Tensor, Tensor, Tensor>;

Tensor basis_forward(const Tensor& x, const Optional& cell, const Tensor& knots, const Tensor& tau, int64_t kind,
                     int64_t degree, int64_t activation);
Tensor basis_derivative(const Tensor& x, const Tensor& knots, const Tensor& tau, int64_t kind, int64_t degree,
                        int64_t activation);
/// `wanted`: gradients of x and tau; those not wanted come back undefined. So in all backward operators.
std::tuple<Tensor, Tensor> basis_backward(const Tensor& grad, const Tensor& x, const Optional& cell,
                                          const Tensor& knots, const Tensor& tau, int64_t kind, int64_t degree,
                                          int64_t activation, std::array<bool, 2> wanted);
Tensor fold_forward(const Optional& base_weight, const Tensor& spline_weight, const Tensor& coefficients);
/// Writes the gradients of base_weight, spline_weight and coefficients into the tensors given, which must be
/// contiguous.
void fold_backward(const Tensor& grad, const Tensor& spline_weight, const Tensor& coefficients,
                   const Optional& base_out, const Optional& spline_out, const Optional& coefficients_out);
Tensor edge_sum_forward(const Tensor& z, const Tensor& knots, const Tensor& tau, const Tensor& weights, int64_t kind,
                        int64_t degree, int64_t activation);
/// `wanted`: z, tau, weights.
Three edge_sum_backward(const Tensor& grad, const Tensor& z, const Tensor& knots, const Tensor& tau,
                        const Tensor& weights, int64_t kind, int64_t degree, int64_t activation,
                        std::array<bool, 3> wanted);
Tensor edge_values(const Tensor& z, const Tensor& knots, const Tensor& tau, const Tensor& weights, int64_t kind,
                   int64_t degree, int64_t activation, int64_t order);
Tensor mixture_score(const Tensor& z, const Tensor& knots, const Tensor& tau, const Tensor& weights,
                     const Tensor& constant, int64_t kind, int64_t degree, int64_t activation);
std::tuple<Tensor, Tensor> output_error(const Tensor& x, const Tensor& generated, double steepness,
                                        const Tensor& scale);
/// log_normaliser, error, cdf, slope, and the derivative of log_normaliser by every node [C,K] if `with_gradient`.
Five cell_masses(const Tensor& log_density, const Tensor& widths, bool split_edges, bool with_gradient);
/// `likelihood` holds one number for `repeat` neighbouring ones of z. All contiguous.
Tensor langevin_move(const Tensor& z, const Tensor& prior, const Optional& likelihood, int64_t repeat,
                     const Tensor& noise, const Tensor& temperature, double step, double lower, double upper);
Tensor inverse_cdf(const Tensor& u, const Tensor& cells, const Tensor& cdf_offset, const Tensor& slope_offset,
                   const Tensor& edge_offset, const Tensor& cdf, const Tensor& slope, const Tensor& edges);
Tensor forward_cdf(const Tensor& z, const Tensor& cells, const Tensor& cdf_offset, const Tensor& slope_offset,
                   const Tensor& edge_offset, const Tensor& cdf, const Tensor& slope, const Tensor& edges);

/// The same operators in plain ATen, for every device and dtype; also what the fused ones fall back to.
namespace composite {
Tensor basis_forward(const Tensor& x, const Optional& cell, const Tensor& knots, const Tensor& tau, int64_t kind,
                     int64_t degree, int64_t activation);
Tensor basis_derivative(const Tensor& x, const Tensor& knots, const Tensor& tau, int64_t kind, int64_t degree,
                        int64_t activation);
std::tuple<Tensor, Tensor> basis_backward(const Tensor& grad, const Tensor& x, const Optional& cell,
                                          const Tensor& knots, const Tensor& tau, int64_t kind, int64_t degree,
                                          int64_t activation, std::array<bool, 2> wanted);
Tensor fold_forward(const Optional& base_weight, const Tensor& spline_weight, const Tensor& coefficients);
void fold_backward(const Tensor& grad, const Tensor& spline_weight, const Tensor& coefficients,
                   const Optional& base_out, const Optional& spline_out, const Optional& coefficients_out);
Tensor edge_sum_forward(const Tensor& z, const Tensor& knots, const Tensor& tau, const Tensor& weights, int64_t kind,
                        int64_t degree, int64_t activation);
Three edge_sum_backward(const Tensor& grad, const Tensor& z, const Tensor& knots, const Tensor& tau,
                        const Tensor& weights, int64_t kind, int64_t degree, int64_t activation,
                        std::array<bool, 3> wanted);
Tensor edge_values(const Tensor& z, const Tensor& knots, const Tensor& tau, const Tensor& weights, int64_t kind,
                   int64_t degree, int64_t activation, int64_t order);
Tensor mixture_score(const Tensor& z, const Tensor& knots, const Tensor& tau, const Tensor& weights,
                     const Tensor& constant, int64_t kind, int64_t degree, int64_t activation);
std::tuple<Tensor, Tensor> output_error(const Tensor& x, const Tensor& generated, double steepness,
                                        const Tensor& scale);
Five cell_masses(const Tensor& log_density, const Tensor& widths, bool split_edges, bool with_gradient);
Tensor langevin_move(const Tensor& z, const Tensor& prior, const Optional& likelihood, int64_t repeat,
                     const Tensor& noise, const Tensor& temperature, double step, double lower, double upper);
Tensor inverse_cdf(const Tensor& u, const Tensor& cells, const Tensor& cdf_offset, const Tensor& slope_offset,
                   const Tensor& edge_offset, const Tensor& cdf, const Tensor& slope, const Tensor& edges);
Tensor forward_cdf(const Tensor& z, const Tensor& cells, const Tensor& cdf_offset, const Tensor& slope_offset,
                   const Tensor& edge_offset, const Tensor& cdf, const Tensor& slope, const Tensor& edges);
}  // namespace composite

}  // namespace kaem::ops::raw
