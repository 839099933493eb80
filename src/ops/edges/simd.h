#pragma once

// The prior's univariate functions f_qp(z_sqp). Included by kernels.cpp only.
//
// Lanes run over samples: one edge (q,p) has the same knots and the same weights for all of them, so that both are
// broadcast from memory. `row` is the edge's row of knots (Basis::row). z comes with edges innermost and is turned into
// [edge][sample] a block at a time.

#include "ops/basis/functions.h"
#include "ops/simd/columns.h"

namespace kaem::ops::simd {
namespace {

/// Calls use(f, φ_f, slope_f, x - c_f) for every function but a B-spline's; dφ/dx = slope·edge_unit.
template <int64_t kind, class Use>
inline void each_function(const Basis& b, int64_t row, const V& x, Use use) {
  const float* knots = b.knots + row * b.knot_count;
  if constexpr (kind == kFft) {
    const V distance = x - V(knots[0]);
    const Phase phase = fourier_phase(x, V(knots[0]), V(b.scale[row]), V(b.scale_low[row]));
    use(0, V(1.0F), V(0.0F), distance);
    for (int64_t k = 1; k <= b.intervals; ++k) {
      const V frequency(static_cast<float>(k)), speed(static_cast<float>(kPi * static_cast<double>(k)));
      const Turn turn = fourier_turn(phase, frequency, V(0.0F));
      const V c = flush_tiny(cosine_part(turn)), s = flush_tiny(sine_part(turn));
      use(k, c, s.neg() * speed, distance);
      use(b.intervals + k, s, c * speed, distance);
    }
  } else if constexpr (kind == kCheby) {
    chebyshev(domains_of(b, row, W, 0), b.degree, x,
              [&](int64_t n, const V& value, const V& slope) { use(n, value, slope, V(0.0F)); });
  } else if constexpr (is_wavelet(kind)) {
    const float* inverse = b.scale + row * b.intervals;
    for (int64_t g = 0; g < b.functions; ++g) {
      V phi, slope;
      radial_pair<kind>((x - V(knots[g])) * V(inverse[g]), b.frequency, phi, slope);
      use(g, phi, slope * V(inverse[g]), V(0.0F));
    }
  } else {
    const V inverse(b.scale[row]);
    for (int64_t g = 0; g < b.functions; ++g) {
      const V distance = x - V(knots[g]);
      V phi, slope;
      radial_pair<kind>(distance * inverse, b.frequency, phi, slope);
      use(g, phi, slope, distance);
    }
  }
}

template <int64_t kind>
inline V edge_unit(const Basis& b, int64_t row) {
  if constexpr (kind == kFft) return V(b.scale[row] + b.scale_low[row]);
  if constexpr (kind == kCheby || is_wavelet(kind)) return V(1.0F);
  return V(b.scale[row]);
}

/// w at the function first+d of every lane; 0 where there is none.
inline V spline_weights(const Basis& b, const float* w, const VI& first, int64_t d) {
  const VI f = first + VI(static_cast<int32_t>(d)), end(static_cast<int32_t>(b.functions - 1));
  const VI inside = at::vec::minimum(at::vec::maximum(f, VI(0)), end);
  const V exact = to_float(inside - f);  // zero where f was not moved
  return choose(at_most(exact.abs(), V(0.0F)), gather(w, inside), V(0.0F));
}

/// f (order 0) or f' (order 1) of an edge with weights w [F].
template <int64_t kind, int order>
inline V edge_value(const Basis& b, int64_t row, const float* w, const V& x) {
  V total(0.0F);
  if constexpr (kind == kBSpline) {
    const float* knots = b.knots + row * b.knot_count;
    const SplineCell cell = find_spline_cell(b, knots, VI(0), x);
    Splines splines;
    evaluate_splines<order == 0, order == 1>(b, knots, cell, x, splines);
    for (int64_t d = 0; d <= b.degree; ++d) {
      total = fma(order == 0 ? splines.value[d] : splines.slope[d], spline_weights(b, w, cell.first, d), total);
    }
  } else {
    each_function<kind>(b, row, x, [&](int64_t f, const V& phi, const V& slope, const V&) {
      total = fma(V(w[f]), order == 0 ? phi : slope, total);
    });
    if constexpr (order == 1) total = total * edge_unit<kind>(b, row);
  }
  if (b.features == b.functions) return total;
  return fma(V(w[b.functions]), order == 0 ? activation_value(b.activation, x) : activation_slope(b.activation, x),
             total);
}

struct EdgeGradient {
  V slope, tau;  // Σ w dφ/dx (activation included), Σ w dφ/dx (x - c)
};

/// Adds g·φ_f to the accumulators [F,W], and sums what the gradients of x and τ need if they are wanted.
template <int64_t kind, bool with_slope, bool with_tau>
inline EdgeGradient edge_gradient(const Basis& b, int64_t row, const float* w, const V& x, const V& g, float* acc) {
  EdgeGradient out{V(0.0F), V(0.0F)};
  if constexpr (kind == kBSpline) {
    const float* knots = b.knots + row * b.knot_count;
    const SplineCell cell = find_spline_cell(b, knots, VI(0), x);
    Splines splines;
    evaluate_splines<true, with_slope>(b, knots, cell, x, splines);
    int32_t first[W];
    float lanes[W];
    cell.first.store(first);
    for (int64_t d = 0; d <= b.degree; ++d) {
      (g * splines.value[d]).store(lanes);
      for (int64_t lane = 0; lane < W; ++lane) {
        const int64_t f = first[lane] + d;
        if (f >= 0 && f < b.functions) acc[f * W + lane] += lanes[lane];
      }
      if constexpr (with_slope) out.slope = fma(splines.slope[d], spline_weights(b, w, cell.first, d), out.slope);
    }
  } else {
    each_function<kind>(b, row, x, [&](int64_t f, const V& phi, const V& slope, const V& distance) {
      fma(g, phi, load(acc + f * W)).store(acc + f * W);
      const V weighted = slope * V(w[f]);
      if constexpr (with_slope) out.slope = out.slope + weighted;
      if constexpr (with_tau && kind != kCheby) out.tau = fma(weighted, distance, out.tau);
    });
    if constexpr (with_slope) out.slope = out.slope * edge_unit<kind>(b, row);
    if constexpr (with_tau) out.tau = out.tau * edge_unit<kind>(b, row);
  }
  if (b.features > b.functions) {
    float* last = acc + b.functions * W;
    fma(g, activation_value(b.activation, x), load(last)).store(last);
    if constexpr (with_slope) out.slope = fma(V(w[b.functions]), activation_slope(b.activation, x), out.slope);
  }
  return out;
}

/// Scratch of the edge kernels: z and results as [edge][sample], sums or gradients of samples, an edge's weights,
/// accumulators.
struct EdgeScratch {
  int64_t padded;
  float *z, *out, *samples, *weights, *acc;
};

inline Samples samples_of(const EdgeRange& r) { return {r.q_count * r.p_count, r.row_count, r.rows}; }

int64_t edge_scratch(const Basis& b, const EdgeRange& r) {
  return (2 * (r.end - r.begin) + 1) * samples_of(r).padded() + b.features * (1 + W);
}

inline EdgeScratch split_scratch(const Basis& b, const EdgeRange& r, float* scratch) {
  EdgeScratch s;
  s.padded = samples_of(r).padded();
  s.z = scratch;
  s.out = s.z + (r.end - r.begin) * s.padded;
  s.samples = s.out + (r.end - r.begin) * s.padded;
  s.weights = s.samples + s.padded;
  s.acc = s.weights + b.features;
  return s;
}

inline void collect_weights(const Basis& b, const EdgeRange& r, int64_t q, int64_t p, float* out) {
  for (int64_t f = 0; f < b.features; ++f) out[f] = r.weights[(p * b.features + f) * r.q_count + q];
}

/// Calls use(q, p, where the edge's column starts), with its weights collected, for the edges of a range.
template <class Use>
inline void each_edge(const Basis& b, const EdgeRange& r, const EdgeScratch& s, Use use) {
  for (int64_t edge = r.begin; edge < r.end; ++edge) {
    const int64_t q = edge / r.p_count, p = edge % r.p_count;
    collect_weights(b, r, q, p, s.weights);
    use(q, p, (edge - r.begin) * s.padded);
  }
}

template <int64_t kind>
void edge_sum_of(const Basis& b, const EdgeRange& r, float* sums, float* scratch) {
  const EdgeScratch s = split_scratch(b, r, scratch);
  for (int64_t n = 0; n < s.padded; ++n) s.samples[n] = 0.0F;
  gather_columns(r.z + r.begin, samples_of(r), r.end - r.begin, s.z);
  each_edge(b, r, s, [&](int64_t q, int64_t p, int64_t at) {
    const int64_t row = b.row(p, q);
    for (int64_t n = 0; n < s.padded; n += W)
      (load(s.samples + n) + edge_value<kind, 0>(b, row, s.weights, load(s.z + at + n))).store(s.samples + n);
  });
  for (int64_t n = 0; n < r.row_count; ++n) sums[n] = s.samples[n];
}

template <int64_t kind, int order>
void edge_values_of(const Basis& b, const EdgeRange& r, float* out, float* scratch) {
  const EdgeScratch s = split_scratch(b, r, scratch);
  gather_columns(r.z + r.begin, samples_of(r), r.end - r.begin, s.z);
  each_edge(b, r, s, [&](int64_t q, int64_t p, int64_t at) {
    const int64_t row = b.row(p, q);
    for (int64_t n = 0; n < s.padded; n += W)
      edge_value<kind, order>(b, row, s.weights, load(s.z + at + n)).store(s.out + at + n);
  });
  scatter_columns(s.out, samples_of(r), r.end - r.begin, out + r.begin);
}

/// Adds the sums of the accumulators' rows to an edge's gradients, `stride` floats apart.
inline void add_weight_gradients(const float* acc, int64_t features, int64_t stride, float* to) {
  int64_t f = 0;
  for (; f + W <= features; f += W) {
    float sums[W];
    row_sums(acc + f * W).store(sums);
    for (int64_t i = 0; i < W; ++i) to[(f + i) * stride] += sums[i];
  }
  for (; f < features; ++f) to[f * stride] += sum(load(acc + f * W));
}

template <int64_t kind, bool with_slope, bool with_tau>
double edge_backward_of(const Basis& b, const EdgeRange& r, const float* grad, float* grad_weights, float* grad_z,
                        float* scratch) {
  const EdgeScratch s = split_scratch(b, r, scratch);
  for (int64_t n = 0; n < s.padded; ++n) s.samples[n] = n < r.row_count ? grad[n] : 0.0F;
  double tau = 0.0;
  gather_columns(r.z + r.begin, samples_of(r), r.end - r.begin, s.z);
  each_edge(b, r, s, [&](int64_t q, int64_t p, int64_t at) {
    for (int64_t j = 0; j < b.features * W; ++j) s.acc[j] = 0.0F;
    V tau_edge(0.0F);
    for (int64_t n = 0; n < s.padded; n += W) {
      const V g = load(s.samples + n);
      const EdgeGradient e =
          edge_gradient<kind, with_slope, with_tau>(b, b.row(p, q), s.weights, load(s.z + at + n), g, s.acc);
      if constexpr (with_slope) (g * e.slope).store(s.out + at + n);
      if constexpr (with_tau) tau_edge = fma(g, e.tau, tau_edge);
    }
    if constexpr (with_tau) tau += static_cast<double>(sum(tau_edge));
    if (grad_weights != nullptr)
      add_weight_gradients(s.acc, b.features, r.q_count, grad_weights + p * b.features * r.q_count + q);
  });
  if (grad_z != nullptr) scatter_columns(s.out, samples_of(r), r.end - r.begin, grad_z + r.begin);
  return tau;
}

void edge_sum(const Basis& b, const EdgeRange& r, float* sums, float* scratch) {
  with_kind(b.kind, [&](auto kind) { edge_sum_of<kind>(b, r, sums, scratch); });
}

double edge_sum_backward(const Basis& b, const EdgeRange& r, const float* grad, float* grad_weights, float* grad_z,
                         bool want_tau, float* scratch) {
  return with_kind(b.kind, [&](auto kind) {
    const auto run = [&](auto with_slope, auto with_tau) {
      return edge_backward_of<kind, with_slope, with_tau>(b, r, grad, grad_weights, grad_z, scratch);
    };
    const std::true_type yes;
    const std::false_type no;
    if (want_tau) return grad_z != nullptr ? run(yes, yes) : run(no, yes);
    return grad_z != nullptr ? run(yes, no) : run(no, no);
  });
}

void edge_values(const Basis& b, const EdgeRange& r, int64_t order, float* out, float* scratch) {
  with_kind(b.kind, [&](auto kind) {
    if (order == 0)
      edge_values_of<kind, 0>(b, r, out, scratch);
    else
      edge_values_of<kind, 1>(b, r, out, scratch);
  });
}

}  // namespace
}  // namespace kaem::ops::simd
