#pragma once

#include "ops/op.h"

namespace kaem::ops::raw {

/// Numbers of kaem/core/rng.h into out, contiguous float32 on a GPU; processors make them in core/rng.cpp. `counter`
/// (int64 [], or none) is added to `first`.
inline constexpr Op<
    "fill_random(Tensor(a!) out, Tensor? counter, int seed, int stream, int step, int first, bool normal) -> ()",
    void(const Tensor& out, const Optional& counter, int64_t seed, int64_t stream, int64_t step, int64_t first,
         bool normal)>
    fill_random;

}  // namespace kaem::ops::raw
