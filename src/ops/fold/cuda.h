#pragma once

#include <cstdint>

#include "ops/cuda/stream.h"

namespace kaem::ops::cuda {

/// A layer's folded weights [I,F,O]: functions and, if F is one more, the base weight.
struct Fold {
  int64_t inputs, functions, features, outputs;
};

/// base [I,O] (null without), spline [I,O], coefficients [I,F',O] -> out [I,F,O].
void fold(const Fold& fold, const float* base, const float* spline, const float* coefficients, float* out,
          Stream stream);

/// grad [I,F,O] -> gradients of all three (null: not wanted).
void fold_backward(const Fold& fold, const float* grad, const float* spline, const float* coefficients, float* to_base,
                   float* to_spline, float* to_coefficients, Stream stream);

}  // namespace kaem::ops::cuda
