#pragma once

#include "ops/op.h"

namespace kaem::ops::raw {

inline constexpr Op<"basis_forward(Tensor x, Tensor? cell, Tensor knots, Tensor tau, int[3] spec) -> Tensor",
                    Tensor(const Tensor& x, const Optional& cell, const Tensor& knots, const Tensor& tau, Spec spec)>
    basis_forward;

inline constexpr Op<"basis_derivative(Tensor x, Tensor knots, Tensor tau, int[3] spec) -> Tensor",
                    Tensor(const Tensor& x, const Tensor& knots, const Tensor& tau, Spec spec)>
    basis_derivative;

/// grad [N,I,F] -> gradients of x and tau, undefined where they are not `wanted`.
inline constexpr Op<
    "basis_backward(Tensor grad, Tensor x, Tensor? cell, Tensor knots, Tensor tau, int[3] spec, bool[2] wanted)"
    " -> (Tensor, Tensor)",
    std::tuple<Tensor, Tensor>(const Tensor& grad, const Tensor& x, const Optional& cell, const Tensor& knots,
                               const Tensor& tau, Spec spec, std::array<bool, 2> wanted)>
    basis_backward;

}  // namespace kaem::ops::raw
