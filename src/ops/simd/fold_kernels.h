#pragma once

// Folding of a KAN layer's weights, one input at a time: limited by memory, so every value is touched once. Included by
// kernels.cpp only.

#include "ops/simd/vector.h"

namespace kaem::ops::simd {
namespace {

void fold(const float* spline, const float* coefficients, int64_t functions, int64_t outputs, float* out) {
  for (int64_t g = 0; g < functions; ++g, coefficients += outputs, out += outputs) {
    int64_t o = 0;
    for (; o + W <= outputs; o += W) (load(spline + o) * load(coefficients + o)).store(out + o);
    for (; o < outputs; ++o) out[o] = spline[o] * coefficients[o];
  }
}

void fold_backward(const float* grad, const float* spline, const float* coefficients, int64_t functions, int64_t outputs,
                   float* grad_coefficients, float* grad_spline) {
  if (grad_spline != nullptr) {
    for (int64_t o = 0; o < outputs; ++o) grad_spline[o] = 0.0F;
  }
  for (int64_t g = 0; g < functions; ++g, grad += outputs, coefficients += outputs) {
    int64_t o = 0;
    for (; o < outputs; o += W) {
      const int64_t count = outputs - o < W ? outputs - o : W;
      const V row = V::loadu(grad + o, count);
      if (grad_coefficients != nullptr) {
        (row * V::loadu(spline + o, count)).store(grad_coefficients + g * outputs + o, count);
      }
      if (grad_spline != nullptr) {
        fma(row, V::loadu(coefficients + o, count), V::loadu(grad_spline + o, count)).store(grad_spline + o, count);
      }
    }
  }
}

}  // namespace
}  // namespace kaem::ops::simd
