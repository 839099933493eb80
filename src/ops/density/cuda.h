#pragma once

#include <cstdint>

#include "ops/basis/cuda.h"

namespace kaem::ops::cuda {

/// z [S,Q], weights [P,F,Q], constant [Q,P] -> out [S,Q]: mixture_score of kaem/ops/density.h.
void mixture_score(const Basis& basis, const float* z, const float* weights, const float* constant, int64_t samples,
                   int64_t outputs, float* out, Stream stream);

/// output_error of kaem/ops/density.h: `rows` generated of `width` numbers, `repeat` for each of `data` in turn.
struct Error {
  int64_t rows, width, repeat, data;
  float steepness, factor;
};

/// x [data,width], generated [rows,width], scale [] (null: 1), which multiplies `factor` -> distance [rows], gradient
/// [rows,width].
void output_error(const Error& error, const float* x, const float* generated, const float* scale, float* distance,
                  float* gradient, Stream stream);

}  // namespace kaem::ops::cuda
