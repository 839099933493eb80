#pragma once

// Inverse transforms (docs/mathematics.md section 2). Included by kernels.cpp only.
//
// Lanes run over samples of one component, so that its table (a few kB) stays in the first cache and the search starts
// in a register; u and z, which have components innermost, are transposed a block at a time.

#include "ops/simd/functions.h"
#include "ops/simd/table.h"

namespace kaem::ops::simd {
namespace {

inline int64_t padded_samples(int64_t samples) { return (samples + W - 1) / W * W; }

int64_t inverse_scratch(int64_t samples) { return W * padded_samples(samples); }

/// u [samples, begin..begin+count] -> [component][sample], padded.
inline void gather_columns(const InverseRange& r, int64_t begin, int64_t count, int64_t padded, float* out) {
  int64_t s = 0;
  if (count == W) {
    for (; s + W <= r.samples; s += W) transpose(r.u + s * r.stride + begin, r.stride, out + s, padded);
  }
  for (; s < padded; ++s) {
    const float* from = r.u + (s < r.samples ? s : r.samples - 1) * r.stride + begin;
    for (int64_t c = 0; c < count; ++c) out[c * padded + s] = from[c];
  }
}

inline void scatter_columns(const InverseRange& r, int64_t begin, int64_t count, int64_t padded, const float* from) {
  int64_t s = 0;
  if (count == W) {
    for (; s + W <= r.samples; s += W) transpose(from + s, padded, r.z + s * r.stride + begin, r.stride);
  }
  for (; s < r.samples; ++s) {
    for (int64_t c = 0; c < count; ++c) r.z[s * r.stride + begin + c] = from[c * padded + s];
  }
}

/// One component's distribution function: every `stride`-th value in a register, for the first steps of the search.
struct Guide {
  V pivots;
  int32_t stride, first_step, cells;
};

inline Guide make_guide(const float* cdf, int64_t cells) {
  const int64_t stride = (cells + W - 1) / W;
  int32_t lanes[W];
  for (int64_t i = 0; i < W; ++i) lanes[i] = static_cast<int32_t>(i * stride < cells ? i * stride : cells);
  int64_t step = 1;
  while (step < stride) step *= 2;
  return {gather(cdf, load(lanes)), static_cast<int32_t>(stride), static_cast<int32_t>(step / 2), static_cast<int32_t>(cells)};
}

/// The last cell that starts at or below u. A cell without mass ends where it starts, so the next one is taken.
inline VI find_cell(const Guide& g, const float* cdf, const V& u) {
  VI low(0);
  for (int32_t step = W / 2; step > 0; step /= 2) {
    const VI candidate = low + VI(step);
    low = choose(at_most(permute(g.pivots, candidate), u), candidate, low);
  }
  low = low * VI(g.stride);
  for (int32_t step = g.first_step; step > 0; step /= 2) {
    const VI candidate = at::vec::minimum(low + VI(step), VI(g.cells));
    low = choose(at_most(gather(cdf, candidate), u), candidate, low);
  }
  return at::vec::minimum(low, VI(g.cells - 1));
}

/// log1p(t (e^d - 1))/d for t in [0,1], mirrored where d > 0 so that nothing overflows.
inline V invert_in_cell(const V& t, const V& d) {
  const V zero(0.0F), one(1.0F), down = d.abs().neg();
  const Mask rising = less(zero, d);
  const V mirrored = choose(rising, one - t, t);
  const V curved = log1p(mirrored * expm1(down)) / down;
  const V y = choose(less(down, V(-1e-6F)), at::vec::clamp(curved, zero, one), mirrored);
  return choose(rising, one - y, y);
}

void inverse_cdf(const InverseRange& r, float* scratch) {
  const int64_t padded = padded_samples(r.samples);
  for (int64_t begin = r.begin; begin < r.end; begin += W) {
    const int64_t count = r.end - begin < W ? r.end - begin : W;
    gather_columns(r, begin, count, padded, scratch);
    for (int64_t c = 0; c < count; ++c) {
      const float* cdf = r.cdf + r.cdf_offset[begin + c];
      const float* slope = r.slope + r.slope_offset[begin + c];
      const float* edges = r.edges + r.edge_offset[begin + c];
      const Guide guide = make_guide(cdf, r.cells[begin + c]);
      float* column = scratch + c * padded;
      for (int64_t s = 0; s < padded; s += W) {
        const V u = load(column + s);
        const VI cell = find_cell(guide, cdf, u);
        const V low = gather(cdf, cell), mass = gather(cdf + 1, cell) - low;
        const V t = at::vec::clamp((u - low) / at::vec::clamp_min(mass, V(1e-37F)), V(0.0F), V(1.0F));
        const V y = invert_in_cell(t, gather(slope, cell));
        const V start = gather(edges, cell);
        fma(y, gather(edges + 1, cell) - start, start).store(column + s);
      }
    }
    scatter_columns(r, begin, count, padded, scratch);
  }
}

}  // namespace
}  // namespace kaem::ops::simd
