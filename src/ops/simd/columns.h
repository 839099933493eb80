#pragma once

// Matrices whose rows are samples, turned into one run of floats a column, so that lanes run over samples. Included by
// kernels.cpp only.

#include "ops/simd/vector.h"

namespace kaem::ops::simd {
namespace {

/// The samples in use: rows `stride` floats apart, all of them or those of a list.
struct Samples {
  int64_t stride, count;
  const int32_t* list = nullptr;
  int64_t offset(int64_t i) const { return (list != nullptr ? list[i] : i) * stride; }
  /// Floats of a column: whole vectors.
  int64_t padded() const { return (count + W - 1) / W * W; }
};

/// Asks for the rows from `first` on, to be read or written: they are a page apart, which the processor does not
/// foresee.
template <int write>
inline void prefetch_rows(const float* matrix, const Samples& samples, int64_t first, int64_t columns) {
  if (first + W > samples.count) return;
  for (int64_t i = first; i < first + W; ++i) {
    for (int64_t c = 0; c < columns; c += 16) __builtin_prefetch(matrix + samples.offset(i) + c, write);
  }
}

/// from [samples, columns] -> out [column][sample]; the padding repeats the last sample.
inline void gather_columns(const float* from, const Samples& samples, int64_t columns, float* out) {
  const int64_t whole = columns / W * W, full = samples.count / W * W, padded = samples.padded();
  for (int64_t s = 0; s < full; s += W) {
    prefetch_rows<0>(from, samples, s + W, columns);
    const float* rows[W];
    for (int64_t i = 0; i < W; ++i) rows[i] = from + samples.offset(s + i);
    for (int64_t c = 0; c < whole; c += W)
      transpose([&](int i) { return rows[i] + c; }, [&](int i) { return out + (c + i) * padded + s; });
  }
  for (int64_t s = 0; s < padded; ++s) {
    const float* row = from + samples.offset(s < samples.count ? s : samples.count - 1);
    for (int64_t c = s < full ? whole : 0; c < columns; ++c) out[c * padded + s] = row[c];
  }
}

/// The way back: columns as gather_columns makes them -> to [samples, columns].
inline void scatter_columns(const float* from, const Samples& samples, int64_t columns, float* to) {
  const int64_t whole = columns / W * W, full = samples.count / W * W, padded = samples.padded();
  for (int64_t s = 0; s < full; s += W) {
    prefetch_rows<1>(to, samples, s + W, columns);
    float* rows[W];
    for (int64_t i = 0; i < W; ++i) rows[i] = to + samples.offset(s + i);
    for (int64_t c = 0; c < whole; c += W)
      transpose([&](int i) { return from + (c + i) * padded + s; }, [&](int i) { return rows[i] + c; });
  }
  for (int64_t s = 0; s < samples.count; ++s) {
    float* row = to + samples.offset(s);
    for (int64_t c = s < full ? whole : 0; c < columns; ++c) row[c] = from[c * padded + s];
  }
}

/// from [rows, columns] -> to [columns, rows]; rows of either are `stride` floats apart.
void transpose_matrix(const float* from, int64_t from_stride, int64_t rows, int64_t columns, float* to,
                      int64_t to_stride) {
  const int64_t whole = columns / W * W, full = rows / W * W;
  for (int64_t r = 0; r < full; r += W) {
    const float* block = from + r * from_stride;
    for (int64_t c = 0; c < whole; c += W)
      transpose([&](int i) { return block + i * from_stride + c; },
                [&](int i) { return to + (c + i) * to_stride + r; });
  }
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = r < full ? whole : 0; c < columns; ++c) to[c * to_stride + r] = from[r * from_stride + c];
}

}  // namespace
}  // namespace kaem::ops::simd
