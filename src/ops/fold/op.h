#pragma once

#include "ops/op.h"

namespace kaem::ops::raw {

inline constexpr Op<"fold_forward(Tensor? base_weight, Tensor spline_weight, Tensor coefficients) -> Tensor",
                    Tensor(const Optional& base_weight, const Tensor& spline_weight, const Tensor& coefficients)>
    fold_forward;

/// grad [I,F,O] -> gradients of all three, written into contiguous tensors (none: not wanted).
inline constexpr Op<
    "fold_backward(Tensor grad, Tensor spline_weight, Tensor coefficients, Tensor(a!)? base_out, "
    "Tensor(b!)? spline_out, Tensor(c!)? coefficients_out) -> ()",
    void(const Tensor& grad, const Tensor& spline_weight, const Tensor& coefficients, const Optional& base_out,
         const Optional& spline_out, const Optional& coefficients_out)>
    fold_backward;

}  // namespace kaem::ops::raw
