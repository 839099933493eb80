#pragma once

// What a chain asks of a density at every step, in one pass: a mixture prior's score, a Gaussian likelihood's value and
// gradient. Included by kernels.cpp only.

#include "ops/edges/simd.h"

namespace kaem::ops::simd {
namespace {

struct ValueAndSlope {
  V value, slope;
};

/// f and f' of an edge with weights w [F].
template <int64_t kind>
inline ValueAndSlope edge_pair(const Basis& b, int64_t row, const float* w, const V& x) {
  ValueAndSlope f{V(0.0F), V(0.0F)};
  if constexpr (kind == kBSpline) {
    const SplineCell cell = find_spline_cell(b, b.knots + row * b.knot_count, VI(0), x);
    Splines splines;
    evaluate_splines<true, true>(b, b.knots + row * b.knot_count, cell, x, splines);
    for (int64_t d = 0; d <= b.degree; ++d) {
      const V weight = spline_weights(b, w, cell.first, d);
      f.value = fma(splines.value[d], weight, f.value), f.slope = fma(splines.slope[d], weight, f.slope);
    }
  } else {
    each_function<kind>(b, row, x, [&](int64_t i, const V& phi, const V& slope, const V&) {
      f.value = fma(V(w[i]), phi, f.value), f.slope = fma(V(w[i]), slope, f.slope);
    });
    f.slope = f.slope * edge_unit<kind>(b, row);
  }
  if (b.features == b.functions) return f;
  f.value = fma(V(w[b.functions]), activation_value(b.activation, x), f.value);
  f.slope = fma(V(w[b.functions]), activation_slope(b.activation, x), f.slope);
  return f;
}

/// One q: its column of z, the weights of its edges, log-densities and slopes of W samples.
int64_t mixture_scratch(const Basis& b, const MixtureRange& r) {
  return Samples{r.q_count, r.samples}.padded() + r.p_count * (b.features + 2 * W);
}

template <int64_t kind>
void mixture_score_of(const Basis& b, const MixtureRange& r, float* out, float* scratch) {
  const Samples samples{r.q_count, r.samples};
  float *const column = scratch, *const weights = column + samples.padded();
  float *const log_density = weights + r.p_count * b.features, *const slopes = log_density + r.p_count * W;
  for (int64_t q = r.begin; q < r.end; ++q) {
    gather_columns(r.z + q, samples, 1, column);
    for (int64_t i = 0; i < r.p_count * b.features; ++i) weights[i] = r.weights[i * r.q_count + q];
    for (int64_t n = 0; n < samples.padded(); n += W) {
      const V x = load(column + n);
      V most(r.constant[q * r.p_count]);
      for (int64_t p = 0; p < r.p_count; ++p) {
        const ValueAndSlope f = edge_pair<kind>(b, b.row(p, q), weights + p * b.features, x);
        const V tilted = f.value + V(r.constant[q * r.p_count + p]);
        tilted.store(log_density + p * W), f.slope.store(slopes + p * W);
        most = p == 0 ? tilted : larger(most, tilted);
      }
      V total(0.0F), score(0.0F);
      for (int64_t p = 0; p < r.p_count; ++p) {
        const V share = exp(load(log_density + p * W) - most);
        total = total + share, score = fma(share, load(slopes + p * W), score);
      }
      (score / total).store(column + n);
    }
    scatter_columns(column, samples, 1, out + q);
  }
}

void mixture_score(const Basis& b, const MixtureRange& r, float* out, float* scratch) {
  with_kind(b.kind, [&](auto kind) { mixture_score_of<kind>(b, r, out, scratch); });
}

template <bool bent>
inline V output_error_at(const ErrorRange& r, const V& x, const V& generated, V& gradient) {
  if constexpr (!bent) {
    const V error = x - generated;
    gradient = error * V(r.scale);
    return error;
  } else {
    const V xhat = sigmoid(generated * V(r.steepness)), error = x - xhat;
    gradient = error * (xhat - xhat * xhat) * V(r.scale * r.steepness);
    return error;
  }
}

template <bool bent>
void output_error_of(const ErrorRange& r, float* distance, float* gradient) {
  const int64_t whole = r.width / W * W, rest = r.width - whole;
  for (int64_t row = r.begin; row < r.end; ++row) {
    const float *x = r.x + row / r.chains % r.data * r.width, *generated = r.generated + row * r.width;
    float* to = gradient + row * r.width;
    V even(0.0F), odd(0.0F), part;
    int64_t d = 0;
    for (; d + 2 * W <= whole; d += 2 * W) {
      const V first = output_error_at<bent>(r, load(x + d), load(generated + d), part);
      part.store(to + d);
      const V second = output_error_at<bent>(r, load(x + d + W), load(generated + d + W), part);
      part.store(to + d + W);
      even = fma(first, first, even), odd = fma(second, second, odd);
    }
    for (; d < whole; d += W) {
      const V error = output_error_at<bent>(r, load(x + d), load(generated + d), part);
      part.store(to + d);
      even = fma(error, error, even);
    }
    distance[row] = sum(even + odd);
    if (rest == 0) continue;
    float lanes[W];
    const V error = output_error_at<bent>(r, V::loadu(x + whole, rest), V::loadu(generated + whole, rest), part);
    part.store(to + whole, rest);
    error.store(lanes);
    for (int64_t i = 0; i < rest; ++i) distance[row] += lanes[i] * lanes[i];
  }
}

void output_error(const ErrorRange& r, float* distance, float* gradient) {
  r.steepness == 0.0F ? output_error_of<false>(r, distance, gradient) : output_error_of<true>(r, distance, gradient);
}

}  // namespace
}  // namespace kaem::ops::simd
