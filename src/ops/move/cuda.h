#pragma once

#include <cstdint>

#include "ops/cuda/stream.h"

namespace kaem::ops::cuda {

/// langevin_move of kaem/ops/ops.h: `count` numbers, `level_size` of each temperature; `likelihood` (or null) holds one
/// gradient for every `repeat` of them.
struct Move {
  const float *z, *prior, *likelihood, *noise, *temperature;
  int64_t count, level_size, repeat, temperatures;
  float step, spread, lower, upper;
};
void langevin_move(const Move& move, float* out, Stream stream);

}  // namespace kaem::ops::cuda
