#pragma once

#include <cstdint>

#include "ops/cuda/stream.h"

namespace kaem::ops::cuda {

/// A basis of `inputs` inputs. `knots` [rows, knot_count] and `tau` [] as kaem/ops/ops.h has them, `scales` [2,rows]:
/// all on the device. An input has one row of knots, or (row_stride Q) one for every edge, p·Q + q.
struct Basis {
  int64_t kind, degree, activation, intervals, functions, features, inputs, rows, row_stride;
  const float* knots;
  const float* tau;
  float* scales;  ///< filled by prepare()
};

/// Fills the scales from knots and tau; before any other launch.
void prepare(const Basis& basis, Stream stream);

/// x [N,I] (cell: null or as x) -> out [N,I,F]: features (order 0) or their derivatives (order 1).
void basis(const Basis& basis, const float* x, const float* cell, int64_t rows, int order, float* out, Stream stream);

/// grad [N,I,F] -> grad_x [N,I] (null: not wanted) and grad_tau [] (null: not wanted). `partial`: doubles for
/// partial_sums(N·I) blocks; they are added in one order, so that the result is the same every time.
void basis_backward(const Basis& basis, const float* x, const float* cell, const float* grad, int64_t rows,
                    float* grad_x, float* grad_tau, double* partial, Stream stream);

/// Blocks of a launch over `count` elements.
int64_t partial_sums(int64_t count);

}  // namespace kaem::ops::cuda
