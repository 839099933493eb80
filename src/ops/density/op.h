#pragma once

#include "ops/op.h"

namespace kaem::ops::raw {

inline constexpr Op<
    "mixture_score(Tensor z, Tensor knots, Tensor tau, Tensor weights, Tensor constant, int[3] spec) -> Tensor",
    Tensor(const Tensor& z, const Tensor& knots, const Tensor& tau, const Tensor& weights, const Tensor& constant,
           Spec spec)>
    mixture_score;

inline constexpr Op<"output_error(Tensor x, Tensor generated, float steepness, Tensor scale) -> (Tensor, Tensor)",
                    std::tuple<Tensor, Tensor>(const Tensor& x, const Tensor& generated, double steepness,
                                               const Tensor& scale)>
    output_error;

}  // namespace kaem::ops::raw
