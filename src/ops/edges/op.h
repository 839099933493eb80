#pragma once

#include "ops/op.h"

namespace kaem::ops::raw {

inline constexpr Op<"edge_sum_forward(Tensor z, Tensor knots, Tensor tau, Tensor weights, int[3] spec) -> Tensor",
                    Tensor(const Tensor& z, const Tensor& knots, const Tensor& tau, const Tensor& weights, Spec spec)>
    edge_sum_forward;

/// grad [S] -> gradients of z, tau and weights, undefined where they are not `wanted`.
inline constexpr Op<
    "edge_sum_backward(Tensor grad, Tensor z, Tensor knots, Tensor tau, Tensor weights, int[3] spec, bool[3] wanted)"
    " -> (Tensor, Tensor, Tensor)",
    std::tuple<Tensor, Tensor, Tensor>(const Tensor& grad, const Tensor& z, const Tensor& knots, const Tensor& tau,
                                       const Tensor& weights, Spec spec, std::array<bool, 3> wanted)>
    edge_sum_backward;

inline constexpr Op<"edge_values(Tensor z, Tensor knots, Tensor tau, Tensor weights, int[3] spec, int order) -> Tensor",
                    Tensor(const Tensor& z, const Tensor& knots, const Tensor& tau, const Tensor& weights, Spec spec,
                           int64_t order)>
    edge_values;

}  // namespace kaem::ops::raw
