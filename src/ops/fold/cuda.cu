#include "ops/cuda/launch.cuh"
#include "ops/fold/cuda.h"

namespace kaem::ops::cuda {
namespace {

/// A thread per folded weight.
__global__ void fold_kernel(Fold f, const float* base, const float* spline, const float* coefficients, int64_t count,
                            float* out) {
  const int64_t row = f.features * f.outputs;
  for (int64_t j = first_element(); j < count; j += element_step()) {
    const int64_t i = j / row, at = j - i * row, g = at / f.outputs, o = at - g * f.outputs;
    const int64_t edge = i * f.outputs + o;
    out[j] = g < f.functions ? spline[edge] * coefficients[(i * f.functions + g) * f.outputs + o] : base[edge];
  }
}

/// A thread per edge: neighbouring ones read and write neighbouring numbers.
__global__ void fold_backward_kernel(Fold f, const float* grad, const float* spline, const float* coefficients,
                                     int64_t count, float* to_base, float* to_spline, float* to_coefficients) {
  for (int64_t edge = first_element(); edge < count; edge += element_step()) {
    const int64_t i = edge / f.outputs, o = edge - i * f.outputs;
    const float* own = grad + i * f.features * f.outputs + o;
    const int64_t first = i * f.functions * f.outputs + o;
    const float weight = spline[edge];
    float total = 0.0F;
    for (int64_t g = 0; g < f.functions; ++g) {
      const float slope = own[g * f.outputs];
      total += slope * coefficients[first + g * f.outputs];
      if (to_coefficients) to_coefficients[first + g * f.outputs] = slope * weight;
    }
    if (to_spline) to_spline[edge] = total;
    if (to_base) to_base[edge] = own[f.functions * f.outputs];
  }
}

}  // namespace

void fold(const Fold& f, const float* base, const float* spline, const float* coefficients, float* out, Stream stream) {
  const int64_t count = f.inputs * f.features * f.outputs;
  fold_kernel<<<blocks_for(count), kThreads, 0, stream>>>(f, base, spline, coefficients, count, out);
}

void fold_backward(const Fold& f, const float* grad, const float* spline, const float* coefficients, float* to_base,
                   float* to_spline, float* to_coefficients, Stream stream) {
  const int64_t count = f.inputs * f.outputs;
  fold_backward_kernel<<<blocks_for(count), kThreads, 0, stream>>>(f, grad, spline, coefficients, count, to_base,
                                                                   to_spline, to_coefficients);
}

}  // namespace kaem::ops::cuda
