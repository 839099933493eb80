#pragma once

// Inverse transforms (docs/mathematics.md section 2). Included by kernels.cpp only.
//
// Lanes run over samples of one component, so that its table (a few kB) stays in the first cache and the search starts
// in a register; u and z, which have components innermost, are transposed a block at a time.

#include "ops/simd/columns.h"
#include "ops/simd/functions.h"
#include "ops/simd/table.h"

namespace kaem::ops::simd {
namespace {

int64_t inverse_scratch(int64_t components, int64_t samples) { return (components + W) * Samples{0, samples}.padded(); }

/// One component's distribution function: 4W of its values in four registers, for the first steps of the search, as
/// every gather from memory costs more than a dozen other instructions.
struct Guide {
  V quarter[4];
  // One value in every lane: the first of the upper half, of quarters 1 and 3, and of every quarter's second half.
  V middle, odd_quarter[2], quarter_middle[4];
  int32_t stride, first_step, cells;
};

/// Which values those are, for tables of so many cells.
struct GuideLanes {
  int32_t lane[4 * W];
  int32_t stride, first_step;
};

inline GuideLanes guide_lanes(int64_t cells) {
  const int64_t stride = (cells + 4 * W - 1) / (4 * W);
  GuideLanes lanes;
  for (int64_t i = 0; i < 4 * W; ++i) lanes.lane[i] = static_cast<int32_t>(i * stride < cells ? i * stride : cells);
  int64_t step = 1;
  while (step < stride) step *= 2;
  lanes.stride = static_cast<int32_t>(stride), lanes.first_step = static_cast<int32_t>(step / 2);
  return lanes;
}

inline Guide make_guide(const float* cdf, const GuideLanes& lanes, int64_t cells) {
  const auto one = [&](int64_t lane) { return V(cdf[lanes.lane[lane]]); };
  Guide g{{},
          one(2 * W),
          {one(W), one(3 * W)},
          {one(W / 2), one(W + W / 2), one(2 * W + W / 2), one(3 * W + W / 2)},
          lanes.stride,
          lanes.first_step,
          static_cast<int32_t>(cells)};
  for (int64_t q = 0; q < 4; ++q) g.quarter[q] = gather(cdf, load(lanes.lane + q * W));
  return g;
}

struct Cell {
  VI index;
  V low, high;  // the distribution function at its two edges
};

/// The last cells that start at or below u[n]. A cell without mass ends where it starts, so the next one is taken.
/// Values that were seen on the way are kept: the last ones below and above u are those of the cell's edges. N searches
/// go side by side, as each waits for its own last step most of the time.
template <int N>
inline void find_cells(const Guide& g, const float* cdf, const V* u, Cell* at) {
  Mask upper[N], second[N];
  const auto try_step = [&](int n, const VI& candidate, const V& value) {
    const Mask below = at_most(value, u[n]);
    at[n].index = choose(below, candidate, at[n].index);
    at[n].low = choose(below, value, at[n].low);
    at[n].high = choose(below, at[n].high, value);
    return below;
  };
  // Three steps with one value, two and four values to choose from; then the others within the quarter that
  // `upper` and `second` say.
  const VI quarter_end(static_cast<int32_t>(W)), eighth(static_cast<int32_t>(W / 2));
  for (int n = 0; n < N; ++n) {
    upper[n] = at_most(g.middle, u[n]);
    at[n] = {VI(0), choose(upper[n], g.middle, V(0.0F)), choose(upper[n], V(1.0F), g.middle)};
    second[n] = try_step(n, quarter_end, choose(upper[n], g.odd_quarter[1], g.odd_quarter[0]));
    try_step(n, at[n].index + eighth,
             choose(second[n], choose(upper[n], g.quarter_middle[3], g.quarter_middle[1]),
                    choose(upper[n], g.quarter_middle[2], g.quarter_middle[0])));
  }
  for (int32_t step = W / 4; step > 0; step /= 2)
    for (int n = 0; n < N; ++n) {
      const VI candidate = at[n].index + VI(step);
      try_step(n, candidate,
               choose(upper[n], permute(g.quarter[2], g.quarter[3], second[n], candidate),
                      permute(g.quarter[0], g.quarter[1], second[n], candidate)));
    }
  const VI half(static_cast<int32_t>(2 * W)), stride(g.stride), end(g.cells), last(g.cells - 1);
  for (int n = 0; n < N; ++n) at[n].index = choose(upper[n], at[n].index + half, at[n].index) * stride;
  for (int32_t step = g.first_step; step > 0; step /= 2)
    for (int n = 0; n < N; ++n) {
      const VI candidate = at::vec::minimum(at[n].index + VI(step), end);
      try_step(n, candidate, gather(cdf, candidate));
    }
  for (int n = 0; n < N; ++n) at[n].index = at::vec::minimum(at[n].index, last);  // only u >= 1 gets there
}

/// What invert_in_cell gives, for |d| <= 0.4, where 3.4e-7 is missing at most: Σ κ_n(t) d^(n-1)/n! with the cumulants
/// κ_n of a Bernoulli variable of mean t.
inline V invert_in_flat_cell(const V& t, const V& d) {
  const V variance = t * (V(1.0F) - t), skew = fma(t, V(-2.0F), V(1.0F));
  const V fifth = skew * fma(variance, V(-0.1F), V(1.0F / 120.0F));
  const V sixth = fma(fma(variance, V(1.0F / 6.0F), V(-1.0F / 24.0F)), variance, V(1.0F / 720.0F));
  const V third = skew * V(1.0F / 6.0F), fourth = fma(variance, V(-0.25F), V(1.0F / 24.0F));
  const V series = fma(fma(fma(fma(sixth, d, fifth), d, fourth), d, third), d, V(0.5F));
  return fma(variance * d, series, t);
}

/// log1p(t (e^d - 1))/d for t in [0,1], mirrored where d > 0 so that nothing overflows.
inline V invert_in_cell(const V& t, const V& d) {
  if (!any(less(V(0.4F), d.abs()))) return invert_in_flat_cell(t, d);
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
  VI index = VI::arange(0, 1);
  V furthest(0.0F);
  for (int64_t i = 0; i + W <= cells + 1; i += W, index = index + VI(static_cast<int32_t>(W)))
    furthest = larger(furthest, (load(edges + i) - fma(to_float(index), V(width), V(first))).abs());
  bool even = largest(furthest) <= tolerance;
  for (int64_t i = (cells + 1) / W * W; i <= cells; ++i)
    even &= magnitude(edges[i] - (first + static_cast<float>(i) * width)) <= tolerance;
  return even;
}

/// A component's table, ready for its draws.
struct Column {
  Guide guide;
  const float *cdf, *slope, *edges;
  V first, last, width;
};

/// u -> z of N vectors of one component, in place. `even`: the cells are evenly spaced, so that their edges need no
/// gathers.
template <bool even, int N>
inline void invert(const Column& c, float* values) {
  V u[N];
  Cell cell[N];
  for (int n = 0; n < N; ++n) u[n] = load(values + n * W);
  find_cells<N>(c.guide, c.cdf, u, cell);
  for (int n = 0; n < N; ++n) {
    const V share = (u[n] - cell[n].low) * reciprocal(at::vec::clamp_min(cell[n].high - cell[n].low, V(1e-30F)));
    const V y = invert_in_cell(at::vec::clamp(share, V(0.0F), V(1.0F)), gather(c.slope, cell[n].index));
    if constexpr (even) {
      at::vec::clamp(fma(to_float(cell[n].index) + y, c.width, c.first), c.first, c.last).store(values + n * W);
    } else {
      const V start = gather(c.edges, cell[n].index);
      fma(y, gather(c.edges + 1, cell[n].index) - start, start).store(values + n * W);
    }
  }
}

template <bool even>
inline void invert_column(const InverseRange& r, int64_t component, const GuideLanes& lanes, int64_t padded,
                          float* values) {
  const int64_t cells = r.cells[component];
  const float *cdf = r.cdf + r.cdf_offset[component], *edges = r.edges + r.edge_offset[component];
  const Column c{make_guide(cdf, lanes, cells),
                 cdf,
                 r.slope + r.slope_offset[component],
                 edges,
                 V(edges[0]),
                 V(edges[cells]),
                 V((edges[cells] - edges[0]) / static_cast<float>(cells))};
  int64_t s = 0;
  for (; s + 2 * W <= padded; s += 2 * W) invert<even, 2>(c, values + s);
  if (s < padded) invert<even, 1>(c, values + s);
}

/// Asks for a component's table before it is searched: gathers wait for each of its lines otherwise.
inline void prefetch_table(const InverseRange& r, int64_t component) {
  const float *cdf = r.cdf + r.cdf_offset[component], *slope = r.slope + r.slope_offset[component];
  for (int64_t i = 0; i < r.cells[component]; i += 16) __builtin_prefetch(cdf + i), __builtin_prefetch(slope + i);
}

void inverse_cdf(const InverseRange& r, float* scratch) {
  const Samples samples{r.stride, r.samples};
  const int64_t padded = samples.padded();
  gather_columns(r.u + r.begin, samples, r.end - r.begin, scratch);
  // Of the component before: its number of cells is most often the same, its edges are where all share them (mixtures).
  int64_t known = -1, known_cells = -1;
  bool even = false;
  GuideLanes lanes{};
  for (int64_t c = r.begin; c < r.end; ++c) {
    if (r.cells[c] != known_cells) known_cells = r.cells[c], lanes = guide_lanes(known_cells);
    if (r.edge_offset[c] != known) known = r.edge_offset[c], even = evenly_spaced(r.edges + known, r.cells[c]);
    float* const column = scratch + (c - r.begin) * padded;
    if (c + 1 < r.end) prefetch_table(r, c + 1);
    even ? invert_column<true>(r, c, lanes, padded, column) : invert_column<false>(r, c, lanes, padded, column);
  }
  scatter_columns(scratch, samples, r.end - r.begin, r.z + r.begin);
}

}  // namespace
}  // namespace kaem::ops::simd
