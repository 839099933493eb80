#pragma once

#include "ops/op.h"

namespace kaem::ops::raw {

/// All contiguous float32; `likelihood` holds one gradient for every `repeat` of its numbers.
inline constexpr Op<
    "langevin_move(Tensor z, Tensor prior, Tensor? likelihood, int repeat, Tensor noise, Tensor temperature, "
    "float step, float lower, float upper) -> Tensor",
    Tensor(const Tensor& z, const Tensor& prior, const Optional& likelihood, int64_t repeat, const Tensor& noise,
           const Tensor& temperature, double step, double lower, double upper)>
    langevin_move;

}  // namespace kaem::ops::raw
