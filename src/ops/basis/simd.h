#pragma once

// Features of rows x inputs. Included by kernels.cpp only.
//
// Lanes run over the flattened (input, feature) axis of W neighbouring inputs, so that stores are contiguous and no
// lane idles whatever F is; the inputs' values reach their lanes by one permutation of the vector that holds them.

#include "ops/basis/functions.h"

namespace kaem::ops::simd {
namespace {

/// Tables of W inputs, F vectors each: where a lane's value comes from and what the formulas need there.
struct SlotTables {
  int32_t* index;    // input of the slot, 0..W-1
  float* centre;     // radial: knot; wavelets: c; FFT: a
  float* factor;     // radial: 1/(τh); wavelets: 1/s; FFT: frequency k
  float* shift;      // FFT: half-turns that make a sine of the cosine
  float* amplitude;  // FFT: πkτ/(b-a); others: as factor; 0 in the activation's slot
  float* product;    // gradient times derivative
  float frequency;   // Morlet: τ
};

int64_t basis_scratch(const Basis& b) {
  return 6 * W * b.features + W;
}  // one vector more: rows are read by whole ones

inline SlotTables slot_tables(const Basis& b, float* scratch) {
  const int64_t n = W * b.features;
  return {reinterpret_cast<int32_t*>(scratch),
          scratch + n,
          scratch + 2 * n,
          scratch + 3 * n,
          scratch + 4 * n,
          scratch + 5 * n,
          b.frequency};
}

template <int64_t kind>
inline void fill_slots(const Basis& b, int64_t input, int64_t count, const SlotTables& t) {
  for (int64_t j = 0; j < W * b.features; ++j) t.centre[j] = t.factor[j] = t.shift[j] = t.amplitude[j] = 0.0F;
  for (int64_t lane = 0; lane < W; ++lane) {
    for (int64_t f = 0; f < b.features; ++f) t.index[lane * b.features + f] = static_cast<int32_t>(lane);
  }
  for (int64_t lane = 0; lane < count; ++lane) {
    const int64_t i = input + lane, at = lane * b.features;
    for (int64_t f = 0; f < b.functions; ++f) {
      if constexpr (kind == kFft) {
        const int64_t k = f <= b.intervals ? f : f - b.intervals;
        t.centre[at + f] = b.knots[i * b.knot_count];
        t.factor[at + f] = static_cast<float>(k);
        t.shift[at + f] = f <= b.intervals ? 0.0F : 0.5F;
        t.amplitude[at + f] =
            static_cast<float>(kPi * static_cast<double>(k) * (static_cast<double>(b.scale[i]) + b.scale_low[i]));
      } else {
        t.centre[at + f] = b.knots[i * b.knot_count + f];
        t.factor[at + f] = t.amplitude[at + f] = is_wavelet(kind) ? b.scale[i * b.intervals + f] : b.scale[i];
      }
    }
  }
}

/// φ (order 0) or dφ/dx (order 1) in the slots j..j+W of inputs whose values are x (phase: the FFT's).
template <int64_t kind, int order>
inline V slot_value(const SlotTables& t, int64_t j, const V& x, const Phase& phase) {
  const VI index = load(t.index + j);
  if constexpr (kind == kFft) {
    const Phase own{permute(phase.high, index), permute(phase.low, index)};
    const V shift = load(t.shift + j);
    if constexpr (order == 0) return flush_tiny(cosine_part(fourier_turn(own, load(t.factor + j), shift)));
    const V turned = cosine_part(fourier_turn(own, load(t.factor + j), shift - V(0.5F)));
    return flush_tiny(turned * load(t.amplitude + j));
  } else {
    const V u = (permute(x, index) - load(t.centre + j)) * load(t.factor + j);
    if constexpr (order == 0) return radial_value<kind>(u, t.frequency);
    return flush_tiny(radial_slope<kind>(u, t.frequency) * load(t.amplitude + j));
  }
}

/// What the phases of W inputs need, the FFT only.
struct Window {
  V start, scale, scale_low;
};

template <int64_t kind>
inline Window make_window(const Basis& b, int64_t input, int64_t count) {
  if constexpr (kind != kFft) return {};
  float start[W] = {};
  for (int64_t lane = 0; lane < count; ++lane) start[lane] = b.knots[(input + lane) * b.knot_count];
  return {load(start), V::loadu(b.scale + input, count), V::loadu(b.scale_low + input, count)};
}

template <int64_t kind>
inline Phase window_phase(const Window& w, const V& x) {
  if constexpr (kind != kFft) return {};
  return fourier_phase(x, w.start, w.scale, w.scale_low);
}

inline void store_activation(const V& values, int64_t count, int64_t features, float* out) {
  float lanes[W];
  flush_tiny(values).store(lanes);
  for (int64_t lane = 0; lane < count; ++lane) out[lane * features + features - 1] = lanes[lane];
}

template <int order>
inline void finish_activation(const Basis& b, const V& x, int64_t count, float* out) {
  if (b.features == b.functions) return;
  const V value = order == 0 ? activation_value(b.activation, x) : activation_slope(b.activation, x);
  store_activation(value, count, b.features, out);
}

/// Some rows of W inputs at a time: the tables are read once for all, and the rows hide each other's latency.
template <int64_t kind, int order, int row_count>
inline void slot_rows(const Basis& b, const BasisRange& r, const SlotTables& t, const Window& window, int64_t row,
                      int64_t input, int64_t count, float* out) {
  V x[row_count];
  Phase phase[row_count];
  float* to[row_count];
  for (int n = 0; n < row_count; ++n) {
    x[n] = V::loadu(r.x + (row + n) * r.inputs + input, count);
    phase[n] = window_phase<kind>(window, x[n]);
    to[n] = out + ((row + n) * r.inputs + input) * b.features;
  }
  const int64_t slots = count * b.features;
  int64_t j = 0;
  for (; j + W <= slots; j += W) {
    for (int n = 0; n < row_count; ++n) slot_value<kind, order>(t, j, x[n], phase[n]).store(to[n] + j);
  }
  for (int n = 0; n < row_count; ++n) {
    if (j < slots) slot_value<kind, order>(t, j, x[n], phase[n]).store(to[n] + j, slots - j);
    finish_activation<order>(b, x[n], count, to[n]);
  }
}

template <int64_t kind, int order>
void slot_basis(const Basis& b, const BasisRange& r, float* out, float* scratch) {
  const SlotTables t = slot_tables(b, scratch);
  for (int64_t i = r.input_begin; i < r.input_end; i += W) {
    const int64_t count = r.input_end - i < W ? r.input_end - i : W;
    fill_slots<kind>(b, i, count, t);
    const Window window = make_window<kind>(b, i, count);
    int64_t row = r.row_begin;
    for (; row + 4 <= r.row_end; row += 4) slot_rows<kind, order, 4>(b, r, t, window, row, i, count, out);
    for (; row < r.row_end; ++row) slot_rows<kind, order, 1>(b, r, t, window, row, i, count, out);
  }
}

template <int order>
void spline_basis(const Basis& b, const BasisRange& r, float* out) {
  for (int64_t i = r.input_begin; i < r.input_end; i += W) {
    const int64_t count = r.input_end - i < W ? r.input_end - i : W;
    int32_t offsets[W] = {};
    for (int64_t lane = 0; lane < count; ++lane) offsets[lane] = static_cast<int32_t>(lane * b.knot_count);
    const float* knots = b.knots + i * b.knot_count;
    for (int64_t row = r.row_begin; row < r.row_end; ++row) {
      const V x = V::loadu(r.x + row * r.inputs + i, count);
      const V where = r.cell ? V::loadu(r.cell + row * r.inputs + i, count) : x;
      const SplineCell cell = find_spline_cell(b, knots, load(offsets), where);
      Splines splines;
      evaluate_splines<order == 0, order == 1>(b, knots, cell, x, splines);
      float* to = out + (row * r.inputs + i) * b.features;
      for (int64_t j = 0; j < count * b.features; ++j) to[j] = 0.0F;
      int32_t first[W];
      float lanes[W];
      cell.first.store(first);
      for (int64_t d = 0; d <= b.degree; ++d) {
        (order == 0 ? splines.value[d] : splines.slope[d]).store(lanes);
        for (int64_t lane = 0; lane < count; ++lane) {
          const int64_t f = first[lane] + d;
          if (f >= 0 && f < b.functions) to[lane * b.features + f] = lanes[lane];
        }
      }
      finish_activation<order>(b, x, count, to);
    }
  }
}

template <int order>
void chebyshev_basis(const Basis& b, const BasisRange& r, float* out) {
  for (int64_t i = r.input_begin; i < r.input_end; i += W) {
    const int64_t count = r.input_end - i < W ? r.input_end - i : W;
    const Domains domains = domains_of(b, i, count, 1);
    for (int64_t row = r.row_begin; row < r.row_end; ++row) {
      const V x = V::loadu(r.x + row * r.inputs + i, count);
      float* to = out + (row * r.inputs + i) * b.features;
      chebyshev(domains, b.degree, x, [&](int64_t n, const V& value, const V& slope) {
        float lanes[W];
        (order == 0 ? value : slope).store(lanes);
        for (int64_t lane = 0; lane < count; ++lane) to[lane * b.features + n] = lanes[lane];
      });
      finish_activation<order>(b, x, count, to);
    }
  }
}

template <int order>
void basis_of_order(const Basis& b, const BasisRange& r, float* out, float* scratch) {
  with_kind(b.kind, [&](auto kind) {
    if constexpr (kind == kBSpline)
      spline_basis<order>(b, r, out);
    else if constexpr (kind == kCheby)
      chebyshev_basis<order>(b, r, out);
    else
      slot_basis<kind, order>(b, r, out, scratch);
  });
}

void basis(const Basis& b, const BasisRange& r, int64_t order, float* out, float* scratch) {
  return order == 0 ? basis_of_order<0>(b, r, out, scratch) : basis_of_order<1>(b, r, out, scratch);
}

/// Lane i takes element i·stride, but nothing beyond the `count` inputs that exist.
inline VI strided(int64_t stride, int64_t count) {
  int32_t lanes[W];
  for (int64_t i = 0; i < W; ++i) lanes[i] = static_cast<int32_t>((i < count ? i : count - 1) * stride);
  return load(lanes);
}

inline V activation_gradient(const Basis& b, const V& x, const float* grad, const VI& rows) {
  if (b.features == b.functions) return V(0.0F);
  return gather(grad + b.features - 1, rows) * activation_slope(b.activation, x);
}

/// Sums of W rows of `length` floats; may read a vector beyond the last.
inline V sum_rows(const float* rows, int64_t length) {
  int32_t lanes[W];
  for (int64_t i = 0; i < W; ++i) lanes[i] = static_cast<int32_t>(i);
  const int64_t whole = length / W * W;
  const Mask in_tail = less(to_float(load(lanes)), V(static_cast<float>(length - whole)));
  float partial[W * W];
  for (int64_t i = 0; i < W; ++i) {
    const float* row = rows + i * length;
    V total = choose(in_tail, load(row + whole), V(0.0F));
    for (int64_t f = 0; f < whole; f += W) total = total + load(row + f);
    total.store(partial + i * W);
  }
  return row_sums(partial);
}

template <int64_t kind>
double slot_backward(const Basis& b, const BasisRange& r, const float* grad, float* grad_x, float* scratch) {
  const SlotTables t = slot_tables(b, scratch);
  double tau = 0.0;
  for (int64_t i = r.input_begin; i < r.input_end; i += W) {
    const int64_t count = r.input_end - i < W ? r.input_end - i : W, slots = count * b.features;
    fill_slots<kind>(b, i, count, t);
    const Window window = make_window<kind>(b, i, count);
    const VI rows = strided(b.features, count);
    for (int64_t row = r.row_begin; row < r.row_end; ++row) {
      const V x = V::loadu(r.x + row * r.inputs + i, count);
      const Phase phase = window_phase<kind>(window, x);
      const float* from = grad + (row * r.inputs + i) * b.features;
      V tau_row(0.0F);
      for (int64_t j = 0; j < slots; j += W) {
        const V g = j + W <= slots ? load(from + j) : V::loadu(from + j, slots - j);
        const V product = g * slot_value<kind, 1>(t, j, x, phase);
        product.store(t.product + j);
        tau_row = fma(product, permute(x, load(t.index + j)) - load(t.centre + j), tau_row);
      }
      tau += static_cast<double>(sum(tau_row));
      if (grad_x == nullptr) continue;
      (activation_gradient(b, x, from, rows) + sum_rows(t.product, b.features))
          .store(grad_x + row * r.inputs + i, count);
    }
  }
  return tau;
}

void spline_backward(const Basis& b, const BasisRange& r, const float* grad, float* grad_x) {
  for (int64_t i = r.input_begin; i < r.input_end; i += W) {
    const int64_t count = r.input_end - i < W ? r.input_end - i : W;
    int32_t offsets[W] = {};
    for (int64_t lane = 0; lane < count; ++lane) offsets[lane] = static_cast<int32_t>(lane * b.knot_count);
    const float* knots = b.knots + i * b.knot_count;
    const VI rows = strided(b.features, count);
    for (int64_t row = r.row_begin; row < r.row_end; ++row) {
      const V x = V::loadu(r.x + row * r.inputs + i, count);
      const V where = r.cell ? V::loadu(r.cell + row * r.inputs + i, count) : x;
      const SplineCell cell = find_spline_cell(b, knots, load(offsets), where);
      Splines splines;
      evaluate_splines<false, true>(b, knots, cell, x, splines);
      const float* from = grad + (row * r.inputs + i) * b.features;
      V total = activation_gradient(b, x, from, rows);
      int32_t first[W];
      cell.first.store(first);
      for (int64_t d = 0; d <= b.degree; ++d) {
        float lanes[W] = {};
        for (int64_t lane = 0; lane < count; ++lane) {
          const int64_t f = first[lane] + d;
          if (f >= 0 && f < b.functions) lanes[lane] = from[lane * b.features + f];
        }
        total = fma(load(lanes), splines.slope[d], total);
      }
      total.store(grad_x + row * r.inputs + i, count);
    }
  }
}

void chebyshev_backward(const Basis& b, const BasisRange& r, const float* grad, float* grad_x) {
  for (int64_t i = r.input_begin; i < r.input_end; i += W) {
    const int64_t count = r.input_end - i < W ? r.input_end - i : W;
    const Domains domains = domains_of(b, i, count, 1);
    const VI rows = strided(b.features, count);
    for (int64_t row = r.row_begin; row < r.row_end; ++row) {
      const V x = V::loadu(r.x + row * r.inputs + i, count);
      const float* from = grad + (row * r.inputs + i) * b.features;
      V total = activation_gradient(b, x, from, rows);
      chebyshev(domains, b.degree, x,
                [&](int64_t n, const V&, const V& slope) { total = fma(gather(from + n, rows), slope, total); });
      total.store(grad_x + row * r.inputs + i, count);
    }
  }
}

double basis_backward(const Basis& b, const BasisRange& r, const float* grad, float* grad_x, float* scratch) {
  return with_kind(b.kind, [&](auto kind) {
    if constexpr (kind != kBSpline && kind != kCheby) return slot_backward<kind>(b, r, grad, grad_x, scratch);
    if (grad_x == nullptr) return 0.0;
    if constexpr (kind == kBSpline) spline_backward(b, r, grad, grad_x);
    if constexpr (kind == kCheby) chebyshev_backward(b, r, grad, grad_x);
    return 0.0;
  });
}

}  // namespace
}  // namespace kaem::ops::simd
