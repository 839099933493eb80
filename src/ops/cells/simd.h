#pragma once

// Masses of log-linear cells with the derivative of their sum (docs/mathematics.md section 2). Included by kernels.cpp
// only.

#include <cmath>

#include "ops/simd/functions.h"
#include "ops/simd/table.h"

namespace kaem::ops::simd {
namespace {

constexpr int64_t kGroup = 4;  // components at a time: their running sums hide each other's latency

/// Rows of one component, planar: [cells+1, padded] each, relative to its largest log-density.
struct CellRows {
  float *left, *middle, *right;                 // log-densities
  float *left_exp, *middle_exp, *right_exp;     // their exponentials
  float *left_grad, *middle_grad, *right_grad;  // derivatives of the sum of masses
  float* mass;                                  // [kGroup,padded]
  double* running;                              // [kGroup,padded]
  int64_t padded;
};

inline int64_t padded_cells(int64_t cells) { return (cells / W + 2) * W; }

int64_t cell_scratch(int64_t cells) { return (6 + 6 * kGroup) * padded_cells(cells); }

/// ∫ over a width of the exponential of a line, and its derivatives in the values at the two ends.
struct Integral {
  V value, left, right;
};

/// ψ(-t) = (1 - e^-t (1+t))/t² and φ1(-t) = (1 - e^-t)/t for t in [0,1], where the formulas themselves would cancel.
inline V psi_near(const V& t) {
  return horner(t, 1.11221176e-4F, -1.10962964e-3F, 6.89003430e-3F, -3.33140865e-2F, 1.24996699e-1F, -3.33333105e-1F,
                0.5F);
}
inline V phi1_near(const V& t) {
  return horner(t, 1.28380721e-4F, -1.29866377e-3F, 8.27309582e-3F, -4.16455790e-2F, 1.66663095e-1F, -4.99999762e-1F,
                1.0F);
}

/// `near`: no lane's ends differ by more than 1, as in cells that are fine enough.
template <bool near>
inline Integral log_linear(const V& l, const V& r, const V& l_exp, const V& r_exp, const V& width) {
  const V distance = (l - r).abs(), higher = larger(l_exp, r_exp), peak = width * higher;
  V psi = psi_near(distance), phi1 = phi1_near(distance);
  if constexpr (!near) {
    // e^-distance without another exponential; where both ends vanish, so does the cell.
    const V e = smaller(l_exp, r_exp) * reciprocal(at::vec::clamp_min(higher, V(1e-30F)));
    const V inverse = reciprocal(distance);
    const Mask small = less(distance, V(1.0F));
    phi1 = choose(small, phi1, (V(1.0F) - e) * inverse);
    psi = choose(small, psi, (phi1 - e) * inverse);
  }
  const V value = peak * phi1, lower = peak * psi, upper = value - lower;
  const Mask rising = less(l, r);
  return {value, choose(rising, lower, upper), choose(rising, upper, lower)};
}

inline float largest_of(const float* row, int64_t count) {
  V top(-std::numeric_limits<float>::infinity());
  for (int64_t k = 0; k + W <= count; k += W) top = larger(top, load(row + k));
  float out = largest(top);
  for (int64_t k = count / W * W; k < count; ++k) out = row[k] > out ? row[k] : out;
  return out;
}

/// Log-densities relative to `top`, floored so that nodes of density zero make no NaNs, and their exponentials.
inline void relate(const V& node, float top, float* log_density, float* exponential) {
  const V relative = at::vec::clamp_min(node - V(top), V(-1000.0F));
  relative.store(log_density);
  decay(relative, kLog2e).store(exponential);
}

/// Separates the nodes of a component. With shared edges the right edges are the left ones, one further.
inline void separate_nodes(const CellRange& r, const float* row, float top, const CellRows& s) {
  const int64_t per_cell = r.split ? 3 : 2;
  int32_t lanes[W];
  for (int64_t i = 0; i < W; ++i) lanes[i] = static_cast<int32_t>(per_cell * i);
  const VI every = load(lanes);
  int64_t m = 0;
  for (; m + W <= r.cells; m += W) {
    const float* at = row + per_cell * m;
    if (r.split) {
      relate(gather(at, every), top, s.left + m, s.left_exp + m);
      relate(gather(at + 1, every), top, s.middle + m, s.middle_exp + m);
      relate(gather(at + 2, every), top, s.right + m, s.right_exp + m);
    } else {
      const auto [left, middle] = at::vec::deinterleave2(load(at), load(at + W));
      relate(left, top, s.left + m, s.left_exp + m);
      relate(middle, top, s.middle + m, s.middle_exp + m);
    }
  }
  float left[W + 1] = {}, middle[W] = {}, right[W] = {};
  const int64_t rest = r.cells - m;
  for (int64_t i = 0; i < rest; ++i) {
    left[i] = row[per_cell * (m + i)], middle[i] = row[per_cell * (m + i) + 1], right[i] = row[per_cell * (m + i) + 2];
  }
  if (!r.split) left[rest] = row[2 * r.cells];
  relate(load(left), top, s.left + m, s.left_exp + m);
  relate(load(middle), top, s.middle + m, s.middle_exp + m);
  if (r.split) {
    relate(load(right), top, s.right + m, s.right_exp + m);
  } else {
    relate(V(left[W]), top, s.left + m + W, s.left_exp + m + W);  // the last edge when no cell is left over
  }
}

/// A vector of cells and what becomes of them.
struct Cells {
  V left, middle, right, left_exp, middle_exp, right_exp, width;
};
struct Integrated {
  V mass, gap, left, middle, right;  // gap = |L2 - L1|, then the mass' derivatives in the three nodes
};

template <bool near>
inline Integrated integrate(const Cells& c) {
  const V half = c.width * V(0.5F);
  const Integral whole = log_linear<near>(c.left, c.right, c.left_exp, c.right_exp, c.width);
  const Integral first = log_linear<near>(c.left, c.middle, c.left_exp, c.middle_exp, half);
  const Integral second = log_linear<near>(c.middle, c.right, c.middle_exp, c.right_exp, half);
  const V halves = first.value + second.value, difference = halves - whole.value;
  // (4 L2 - L1)/3 = L2 + (L2 - L1)/3
  const V refined = fma(difference, V(1.0F / 3.0F), halves), floor = halves * V(0.5F);
  const Mask floored = less(refined, floor);
  const V outer = choose(floored, V(0.0F), V(-1.0F / 3.0F)), inner = choose(floored, V(0.5F), V(4.0F / 3.0F));
  return {choose(floored, floor, refined), difference.abs(), fma(outer, whole.left, inner * first.left),
          inner * (first.right + second.left), fma(outer, whole.right, inner * second.right)};
}

inline bool is_steep(const Cells& c) {
  const V steepest = larger(larger((c.left - c.right).abs(), (c.left - c.middle).abs()), (c.middle - c.right).abs());
  return any(less(V(1.0F), steepest));
}

/// Masses of one component's cells and the derivatives of their sum; returns Z times the error estimate
/// (kaem/ops/ops.h).
template <bool with_gradient>
inline float integrate_cells(const CellRange& r, const float* widths, const CellRows& s, float* mass, float* slope) {
  const float* right = r.split ? s.right : s.left + 1;
  const float* right_exp = r.split ? s.right_exp : s.left_exp + 1;
  V worst(0.0F), left_over(0.0F);
  for (int64_t m = 0; m < r.cells; m += W) {
    const int64_t count = r.cells - m < W ? r.cells - m : W;
    const Cells c{load(s.left + m),           load(s.middle + m),     load(right + m),
                  load(s.left_exp + m),       load(s.middle_exp + m), load(right_exp + m),
                  V::loadu(widths + m, count)};
    const Integrated out = is_steep(c) ? integrate<false>(c) : integrate<true>(c);
    out.mass.store(mass + m);
    const V rise = c.right - c.left;
    rise.store(slope + m, count);
    worst = larger(worst, out.gap);
    // What the extrapolation leaves of a steep cell's mass: a share d²/180 of the gap, 2/3 at most.
    left_over = fma(at::vec::clamp_max(rise * rise * V(1.0F / 180.0F), V(2.0F / 3.0F)), out.gap, left_over);
    if constexpr (with_gradient) {
      out.left.store(s.left_grad + m);
      out.middle.store(s.middle_grad + m);
      out.right.store(s.right_grad + m);
    }
  }
  const float largest_gap = 0.128F * largest(worst), sum_left = 3.0F * sum(left_over);
  return largest_gap > sum_left ? largest_gap : sum_left;
}

/// Running sums of kGroup components at once, in float64.
inline void sum_up(int64_t cells, const CellRows& s, double* totals) {
  double sums[kGroup] = {};
  for (int64_t m = 0; m < cells; ++m) {
    for (int64_t c = 0; c < kGroup; ++c) {
      sums[c] += static_cast<double>(s.mass[c * s.padded + m]);
      s.running[c * s.padded + m] = sums[c];
    }
  }
  for (int64_t c = 0; c < kGroup; ++c) totals[c] = sums[c];
}

inline void write_gradient(const CellRange& r, const float* left, const float* middle, const float* right, float scale,
                           float* out) {
  if (r.split) {
    for (int64_t m = 0; m < r.cells; ++m, out += 3)
      out[0] = left[m] * scale, out[1] = middle[m] * scale, out[2] = right[m] * scale;
    return;
  }
  out[0] = left[0] * scale, out[1] = middle[0] * scale;
  int64_t m = 1;
  for (; m + W <= r.cells; m += W) {
    const V edge = (load(left + m) + load(right + m - 1)) * V(scale), centre = load(middle + m) * V(scale);
    const auto [low, high] = at::vec::interleave2(edge, centre);
    low.store(out + 2 * m);
    high.store(out + 2 * m + W);
  }
  for (; m < r.cells; ++m) out[2 * m] = (left[m] + right[m - 1]) * scale, out[2 * m + 1] = middle[m] * scale;
  out[2 * r.cells] = right[r.cells - 1] * scale;
}

inline CellRows split_cell_scratch(int64_t cells, float* scratch) {
  CellRows s;
  s.padded = padded_cells(cells);
  float* next = scratch;
  const auto take = [&](int64_t rows) {
    float* out = next;
    next += rows * s.padded;
    return out;
  };
  s.running = reinterpret_cast<double*>(take(2 * kGroup));  // first: the scratch is aligned for it
  s.left = take(1), s.middle = take(1), s.right = take(1);
  s.left_exp = take(1), s.middle_exp = take(1), s.right_exp = take(1);
  s.mass = take(kGroup);
  s.left_grad = take(kGroup), s.middle_grad = take(kGroup), s.right_grad = take(kGroup);
  return s;
}

inline void write_cdf(const CellRange& r, const double* running, double total, float* out) {
  const double scale = total > 0.0 ? 1.0 / total : 0.0;
  out[0] = 0.0F;
  for (int64_t m = 0; m + 1 < r.cells; ++m) out[m + 1] = static_cast<float>(running[m] * scale);
  out[r.cells] = 1.0F;
}

template <bool with_gradient>
void cell_groups(const CellRange& r, float* scratch) {
  const CellRows all = split_cell_scratch(r.cells, scratch);
  for (int64_t begin = r.begin; begin < r.end; begin += kGroup) {
    const int64_t members = r.end - begin < kGroup ? r.end - begin : kGroup;
    float tops[kGroup] = {}, worst[kGroup] = {};
    double totals[kGroup];
    for (int64_t c = 0; c < members; ++c) {
      const float* row = r.log_density + (begin + c) * r.nodes;
      const float top = largest_of(row, r.nodes);
      tops[c] = top > -std::numeric_limits<float>::infinity() ? top : 0.0F;
      separate_nodes(r, row, tops[c], all);
      CellRows own = all;
      own.left_grad += c * all.padded, own.middle_grad += c * all.padded, own.right_grad += c * all.padded;
      worst[c] = integrate_cells<with_gradient>(r, r.widths + (begin + c) / r.rows_per_width * r.cells, own,
                                                all.mass + c * all.padded, r.slope + (begin + c) * r.cells);
    }
    sum_up(r.cells, all, totals);
    for (int64_t c = 0; c < members; ++c) {
      const double total = totals[c];
      r.log_normaliser[begin + c] = static_cast<float>(::log(total) + static_cast<double>(tops[c]));
      r.error[begin + c] = static_cast<float>(static_cast<double>(worst[c]) / total);
      write_cdf(r, all.running + c * all.padded, total, r.cdf + (begin + c) * (r.cells + 1));
      if constexpr (with_gradient) {
        const int64_t at = c * all.padded;
        write_gradient(r, all.left_grad + at, all.middle_grad + at, all.right_grad + at,
                       static_cast<float>(1.0 / total), r.gradient + (begin + c) * r.nodes);
      }
    }
  }
}

void cell_masses(const CellRange& r, float* scratch) {
  return r.gradient != nullptr ? cell_groups<true>(r, scratch) : cell_groups<false>(r, scratch);
}

}  // namespace
}  // namespace kaem::ops::simd
