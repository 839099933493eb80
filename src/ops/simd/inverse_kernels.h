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

int64_t inverse_scratch(int64_t components, int64_t samples) { return (components + W) * padded_samples(samples); }

/// Asks for the rows of u (or z, to be written) that come next: they are a page apart, which the processor does not
/// foresee.
template <int write>
inline void prefetch_rows(const float* first, int64_t stride, int64_t rows, int64_t count) {
  for (int64_t s = 0; s < rows; ++s) {
    for (int64_t c = 0; c < count; c += 16) __builtin_prefetch(first + s * stride + c, write);
  }
}

/// u [samples, begin..end] -> [component][sample], padded.
inline void gather_columns(const InverseRange& r, int64_t padded, float* out) {
  const int64_t count = r.end - r.begin, whole = count / W * W, full = r.samples / W * W;
  const float* from = r.u + r.begin;
  for (int64_t s = 0; s < full; s += W) {
    if (s + 2 * W <= r.samples) prefetch_rows<0>(from + (s + W) * r.stride, r.stride, W, count);
    for (int64_t c = 0; c < whole; c += W) transpose(from + s * r.stride + c, r.stride, out + c * padded + s, padded);
  }
  for (int64_t s = 0; s < padded; ++s) {
    const float* row = from + (s < r.samples ? s : r.samples - 1) * r.stride;
    for (int64_t c = s < full ? whole : 0; c < count; ++c) out[c * padded + s] = row[c];
  }
}

inline void scatter_columns(const InverseRange& r, int64_t padded, const float* from) {
  const int64_t count = r.end - r.begin, whole = count / W * W, full = r.samples / W * W;
  float* to = r.z + r.begin;
  for (int64_t s = 0; s < full; s += W) {
    if (s + 2 * W <= r.samples) prefetch_rows<1>(to + (s + W) * r.stride, r.stride, W, count);
    for (int64_t c = 0; c < whole; c += W) transpose(from + c * padded + s, padded, to + s * r.stride + c, r.stride);
  }
  for (int64_t s = 0; s < r.samples; ++s) {
    for (int64_t c = s < full ? whole : 0; c < count; ++c) to[s * r.stride + c] = from[c * padded + s];
  }
}

/// One component's distribution function: 4W of its values in four registers, for the first steps of the search, as
/// every gather from memory costs more than a dozen other instructions.
struct Guide {
  V quarter[4];
  V middle;  // the first value of the upper half
  int32_t stride, first_step, cells;
};

inline Guide make_guide(const float* cdf, int64_t cells) {
  const int64_t stride = (cells + 4 * W - 1) / (4 * W);
  int32_t lanes[4 * W];
  for (int64_t i = 0; i < 4 * W; ++i) lanes[i] = static_cast<int32_t>(i * stride < cells ? i * stride : cells);
  int64_t step = 1;
  while (step < stride) step *= 2;
  Guide g{{},
          V(cdf[lanes[2 * W]]),
          static_cast<int32_t>(stride),
          static_cast<int32_t>(step / 2),
          static_cast<int32_t>(cells)};
  for (int64_t q = 0; q < 4; ++q) g.quarter[q] = gather(cdf, load(lanes + q * W));
  return g;
}

struct Cell {
  VI index;
  V low, high;  // the distribution function at its two edges
};

/// The last cell that starts at or below u. A cell without mass ends where it starts, so the next one is taken. Values
/// that were seen on the way are kept: the last ones below and above u are those of the cell's edges.
inline Cell find_cell(const Guide& g, const float* cdf, const V& u) {
  Cell at{VI(0), V(0.0F), V(1.0F)};
  const auto try_step = [&](const VI& candidate, const V& value) {
    const Mask below = at_most(value, u);
    at.index = choose(below, candidate, at.index);
    at.low = choose(below, value, at.low);
    at.high = choose(below, at.high, value);
  };
  const Mask upper = at_most(g.middle, u);
  at.low = choose(upper, g.middle, at.low);
  at.high = choose(upper, at.high, g.middle);
  for (int32_t step = W; step > 0; step /= 2) {  // within the half that `upper` says
    const VI candidate = at.index + VI(step);
    try_step(candidate, choose(upper, permute(g.quarter[2], g.quarter[3], candidate),
                               permute(g.quarter[0], g.quarter[1], candidate)));
  }
  at.index = choose(upper, at.index + VI(static_cast<int32_t>(2 * W)), at.index) * VI(g.stride);
  const VI end(g.cells);
  for (int32_t step = g.first_step; step > 0; step /= 2) {
    const VI candidate = at::vec::minimum(at.index + VI(step), end);
    try_step(candidate, gather(cdf, candidate));
  }
  at.index = at::vec::minimum(at.index, VI(g.cells - 1));  // only u >= 1 gets there
  return at;
}

/// log1p(t (e^d - 1))/d for t in [0,1], mirrored where d > 0 so that nothing overflows.
inline V invert_in_cell(const V& t, const V& d) {
  const V zero(0.0F), one(1.0F), down = d.abs().neg();
  const Mask rising = less(zero, d);
  const V mirrored = choose(rising, one - t, t);
  const V curved = log1p(mirrored * expm1(down)) * reciprocal(down);
  const V y = choose(less(down, V(-1e-6F)), at::vec::clamp(curved, zero, one), mirrored);
  return choose(rising, one - y, y);
}

inline float magnitude(float x) { return x < 0 ? -x : x; }

/// True if all cells are as wide as each other, but for the rounding of their edges.
inline bool evenly_spaced(const float* edges, int64_t cells) {
  const float first = edges[0], width = (edges[cells] - first) / static_cast<float>(cells);
  const float tolerance = 1.2e-7F * (magnitude(first) + magnitude(edges[cells]));
  bool even = true;
  for (int64_t i = 0; i <= cells; ++i)
    even &= magnitude(edges[i] - (first + static_cast<float>(i) * width)) <= tolerance;
  return even;
}

/// u -> z of one component, in place. `even`: the cells are evenly spaced, so that their edges need no gathers.
template <bool even>
inline void invert_column(const InverseRange& r, int64_t component, int64_t padded, float* column) {
  const float* cdf = r.cdf + r.cdf_offset[component];
  const float* slope = r.slope + r.slope_offset[component];
  const float* edges = r.edges + r.edge_offset[component];
  const int64_t cells = r.cells[component];
  const Guide guide = make_guide(cdf, cells);
  const V first(edges[0]), last(edges[cells]), width((edges[cells] - edges[0]) / static_cast<float>(cells));
  for (int64_t s = 0; s < padded; s += W) {
    const V u = load(column + s);
    const Cell cell = find_cell(guide, cdf, u);
    const V share = (u - cell.low) * reciprocal(at::vec::clamp_min(cell.high - cell.low, V(1e-30F)));
    const V y = invert_in_cell(at::vec::clamp(share, V(0.0F), V(1.0F)), gather(slope, cell.index));
    if constexpr (even) {
      at::vec::clamp(fma(to_float(cell.index) + y, width, first), first, last).store(column + s);
    } else {
      const V start = gather(edges, cell.index);
      fma(y, gather(edges + 1, cell.index) - start, start).store(column + s);
    }
  }
}

void inverse_cdf(const InverseRange& r, float* scratch) {
  const int64_t padded = padded_samples(r.samples);
  gather_columns(r, padded, scratch);
  int64_t known = -1;  // offset of the edges last looked at: components share them
  bool even = false;
  for (int64_t c = r.begin; c < r.end; ++c) {
    if (r.edge_offset[c] != known) known = r.edge_offset[c], even = evenly_spaced(r.edges + known, r.cells[c]);
    float* const column = scratch + (c - r.begin) * padded;
    even ? invert_column<true>(r, c, padded, column) : invert_column<false>(r, c, padded, column);
  }
  scatter_columns(r, padded, scratch);
}

}  // namespace
}  // namespace kaem::ops::simd
