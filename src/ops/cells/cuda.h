#pragma once

#include <cstdint>

#include "ops/cuda/stream.h"

namespace kaem::ops::cuda {

/// cell_masses of kaem/ops/ops.h: log_density [C,K], widths [C/rows_per_width,M]; the outputs' `gradient` (or null)
/// [C,K] is that of log_normaliser.
struct Cells {
  const float *log_density, *widths;
  int64_t components, nodes, cells, rows_per_width;
  bool split;
  float *log_normaliser, *error, *cdf, *slope, *gradient;
};
void cell_masses(const Cells& cells, Stream stream);

}  // namespace kaem::ops::cuda
