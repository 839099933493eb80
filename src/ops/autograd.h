#pragma once

// Autograd of the fused operators: one node each, whose backward is a fused operator too.

#include "kaem/ops/rows.h"
#include "ops/raw_ops.h"

namespace kaem::ops::autograd {

using at::Tensor;

Tensor basis(const Tensor& x, const Tensor& knots, const Tensor& tau, const BasisSpec& spec, const Tensor& cell);
Tensor fold_weights(const Tensor& base_weight, const Tensor& spline_weight, const Tensor& coefficients);
Tensor kan_layer(const Tensor& x, const Tensor& knots, const Tensor& tau, const Tensor& base_weight,
                 const Tensor& spline_weight, const Tensor& coefficients, const BasisSpec& spec, Precision precision);
Tensor edge_sum(const Tensor& z, const Tensor& knots, const Tensor& tau, const Tensor& weights, const BasisSpec& spec);
Tensor weighted_edge_sum(const Tensor& z, const Tensor& weight, const Tensor& knots, const Tensor& tau,
                         const Tensor& weights, const BasisSpec& spec);
CellMasses cell_masses(const Tensor& log_density, const Tensor& widths, bool split_edges);

}  // namespace kaem::ops::autograd
