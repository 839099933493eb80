#pragma once

#include <cstdint>

#include "ops/cuda/stream.h"

namespace kaem::ops::cuda {

/// Which random numbers: kaem/core/rng.h. `later` (or null), on the device, is added to `step`.
struct Numbers {
  uint64_t seed;
  uint32_t stream;
  int64_t step;
  const int64_t* later;
};

/// Numbers first, first + 1, ... -> out [count]. `counter` (or null), on the device, is added to `first`.
void fill_random(const Numbers& numbers, int64_t first, int64_t count, bool normal, const int64_t* counter, float* out,
                 Stream stream);

}  // namespace kaem::ops::cuda
