#pragma once

#include <cstdint>

#include "ops/cuda/stream.h"

namespace kaem::ops::cuda {

/// A table of inverse transforms, as InverseTable of kaem/ops/ops.h.
struct Table {
  const int64_t *cells, *cdf_offset, *slope_offset, *edge_offset;
  const float *cdf, *slope, *edges;
};

/// u [S,C] -> z [S,C].
void inverse_cdf(const Table& table, const float* u, int64_t samples, int64_t components, float* z, Stream stream);

/// z [S,C] -> u [S,C].
void forward_cdf(const Table& table, const float* z, int64_t samples, int64_t components, float* u, Stream stream);

}  // namespace kaem::ops::cuda
