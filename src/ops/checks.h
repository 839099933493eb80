#pragma once

// What operators check of their arguments (ValueError names the operator, what it expected and what it got), and what
// decides between the fused kernels and the reference implementation.

#include <ATen/core/Tensor.h>

#include "kaem/ops/ops.h"

namespace kaem::ops {

/// Whether there are fused kernels for this tensor's type on its device.
bool fused(const at::Tensor& t);

/// Whether a gradient of t is wanted.
bool tracked(const at::Tensor& t);

/// Whether a gradient of a basis is wanted that only the reference implementation has: that of knots, and of a
/// frequency.
bool needs_reference(const at::Tensor& knots, const at::Tensor& tau, const BasisSpec& spec);

void check_same_kind(const char* op, const char* name, const at::Tensor& t, const at::Tensor& like);

/// knots (a row for each of `inputs`, of wavelets also for each of `edges`), tau and degree, for x.
void check_basis(const char* op, const at::Tensor& x, int64_t inputs, const at::Tensor& knots, const at::Tensor& tau,
                 const BasisSpec& spec, int64_t edges = 0);

void check_fold(const char* op, const at::Tensor& base_weight, const at::Tensor& spline_weight,
                const at::Tensor& coefficients);

}  // namespace kaem::ops
