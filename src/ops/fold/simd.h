#pragma once

// Folding of a KAN layer's weights, one input at a time: limited by memory, so every value is touched once. Included by
// kernels.cpp only.

#include "ops/simd/vector.h"

namespace kaem::ops::simd {
namespace {

/// Rows follow each other in memory: what comes a page later is asked for ahead, as processors stop foreseeing at its
/// end. (Half as fast again for the backward pass of large layers.)
constexpr int64_t kAhead = 1024;

void fold(const float* spline, const float* coefficients, int64_t functions, int64_t outputs, float* out) {
  for (int64_t g = 0; g < functions; ++g, coefficients += outputs, out += outputs) {
    int64_t o = 0;
    for (; o + W <= outputs; o += W) {
      __builtin_prefetch(coefficients + o + kAhead);
      __builtin_prefetch(out + o + kAhead, 1);
      (load(spline + o) * load(coefficients + o)).store(out + o);
    }
    for (; o < outputs; ++o) out[o] = spline[o] * coefficients[o];
  }
}

/// One row of the gradient; the first one starts the sums of grad_spline.
template <bool first>
inline void fold_backward_row(const float* grad, const float* spline, const float* coefficients, int64_t outputs,
                              float* grad_coefficients, float* grad_spline) {
  int64_t o = 0;
  for (; o + W <= outputs; o += W) {
    const V row = load(grad + o);
    if (grad_coefficients != nullptr) {
      __builtin_prefetch(grad_coefficients + o + kAhead, 1);
      (row * load(spline + o)).store(grad_coefficients + o);
    }
    if (grad_spline == nullptr) continue;
    __builtin_prefetch(coefficients + o + kAhead);
    const V product = row * load(coefficients + o);
    (first ? product : load(grad_spline + o) + product).store(grad_spline + o);
  }
  for (; o < outputs; ++o) {
    if (grad_coefficients != nullptr) grad_coefficients[o] = grad[o] * spline[o];
    if (grad_spline != nullptr) grad_spline[o] = (first ? 0.0F : grad_spline[o]) + grad[o] * coefficients[o];
  }
}

void fold_backward(const float* grad, const float* spline, const float* coefficients, int64_t functions,
                   int64_t outputs, float* grad_coefficients, float* grad_spline) {
  for (int64_t g = 0; g < functions; ++g, grad += outputs, coefficients += outputs) {
    float* to = grad_coefficients == nullptr ? nullptr : grad_coefficients + g * outputs;
    if (g == 0)
      fold_backward_row<true>(grad, spline, coefficients, outputs, to, grad_spline);
    else
      fold_backward_row<false>(grad, spline, coefficients, outputs, to, grad_spline);
  }
}

}  // namespace
}  // namespace kaem::ops::simd
