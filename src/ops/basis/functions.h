#pragma once

// The bases and activations on vectors. Included by kernels.cpp only. Formulas: docs/mathematics.md section 1.

#include <type_traits>

#include "ops/math.h"
#include "ops/simd/functions.h"
#include "ops/simd/table.h"

namespace kaem::ops::simd {
namespace {

using namespace kaem::ops::math;  // the numbers of kinds and activations

/// Calls run(kind as a constant).
template <class Run>
inline auto with_kind(int64_t kind, Run run) {
  switch (static_cast<BasisKind>(kind)) {
#define KAEM_ROW(name, word, family) \
  case BasisKind::k##name:           \
    return run(std::integral_constant<int64_t, k##name>());
    KAEM_BASES(KAEM_ROW)
#undef KAEM_ROW
  }
  __builtin_unreachable();
}

/// φ(u) and dφ/du of a function of one distance; what the caller does not use is not computed. `frequency`: the
/// Morlet's.
template <int64_t kind>
inline void radial_pair(const V& u, float frequency, V& phi, V& slope) {
  if constexpr (kind == kRswaf) {
    const V e = decay(u.abs(), -2.0F * kLog2e), d = reciprocal(V(1.0F) + e);
    const V steep = V(2.0F) * (V(1.0F) - e) * d;
    phi = V(4.0F) * e * d * d;
    slope = choose(less(u, V(0.0F)), steep, steep.neg()) * phi;
  } else if constexpr (kind == kShannon) {
    const Turn turn = reduce_half_turns(u * V(0.5F));
    const V s = sine_part(turn), c = cosine_part(turn), x = u * V(static_cast<float>(kPi / 2)), b = x * x;
    const V cos3 = c * fma(V(4.0F) * c, c, V(-3.0F)), sin3 = s * fma(V(-4.0F) * s, s, V(3.0F));
    const V sinc = choose(less(b, V(1e-6F)), fma(b, V(-1.0F / 6.0F), V(1.0F)), s / x);
    const V series =
        horner(b, 1.0F / 45360.0F, -1.0F / 840.0F, 1.0F / 30.0F, -1.0F / 3.0F) * x * V(static_cast<float>(kPi / 2));
    phi = flush_tiny(sinc * cos3);
    const V sinc_slope = choose(less(b, V(0.25F)), series, (c - sinc) / u);
    slope = fma(sinc_slope, cos3, V(static_cast<float>(-1.5 * kPi)) * sinc * sin3);
  } else if constexpr (kind != kRbf && kind != kDog && kind != kMexicanHat && kind != kMorlet) {
    float at[W], value[W], derivative[W];  // a basis without a form of its own for vectors
    u.store(at);
    for (int64_t i = 0; i < W; ++i) {
      value[i] = radial(kind, at[i], frequency);
      derivative[i] = radial_derivative(kind, at[i], frequency);
    }
    phi = flush_tiny(V::loadu(value)), slope = V::loadu(derivative);
  } else {
    const V e = gaussian(u);
    if constexpr (kind == kRbf) {
      phi = e;
      slope = u.neg() * e;
    } else if constexpr (kind == kDog) {
      phi = flush_tiny(u.neg() * e);
      slope = fma(u, u, V(-1.0F)) * e;
    } else if constexpr (kind == kMexicanHat) {
      const V scaled = e * V(static_cast<float>(kMexicanHatScale)), square = u * u;
      phi = flush_tiny((V(1.0F) - square) * scaled);
      slope = (square - V(3.0F)) * u * scaled;
    } else {
      const Turn turn = reduce_half_turns(u * V(frequency * static_cast<float>(1.0 / kPi)));
      const V c = cosine_part(turn);
      phi = flush_tiny(c * e);
      slope = fma(V(-frequency), sine_part(turn), u.neg() * c) * e;
    }
  }
}

template <int64_t kind>
inline V radial_value(const V& u, float frequency) {
  V phi, slope;
  radial_pair<kind>(u, frequency, phi, slope);
  return phi;
}

template <int64_t kind>
inline V radial_slope(const V& u, float frequency) {
  V phi, slope;
  radial_pair<kind>(u, frequency, phi, slope);
  return slope;
}

inline V activation_value(int64_t activation, const V& x) {
  const V zero(0.0F);
  switch (activation) {
    case kIdentity:
      return x;
    case kRelu:
      return maximum0(x);
    case kLeakyRelu:
      return choose(less(zero, x), x, x * V(0.01F));
    case kTanh:
      return x.tanh();
    case kSigmoid:
      return sigmoid(x);
    case kSilu:
      return x * sigmoid(x);
    case kGelu:
      return V(0.5F) * x * (V(1.0F) + (x * V(0.707106781F)).erf());
    case kElu:
      return choose(less(zero, x), x, expm1(minimum0(x)));
    case kSelu:
      return V(static_cast<float>(kSeluScale)) *
             choose(less(zero, x), x, V(static_cast<float>(kSeluAlpha)) * expm1(minimum0(x)));
    case kSoftplus:
      return maximum0(x) + log1p(exp(x.abs().neg()));
    default:
      return zero;
  }
}

inline V activation_slope(int64_t activation, const V& x) {
  const V zero(0.0F), one(1.0F);
  switch (activation) {
    case kIdentity:
      return one;
    case kRelu:
      return choose(less(zero, x), one, zero);
    case kLeakyRelu:
      return choose(less(zero, x), one, V(0.01F));
    case kTanh: {
      const V t = x.tanh();
      return one - t * t;
    }
    case kSigmoid: {
      const V s = sigmoid(x);
      return s * (one - s);
    }
    case kSilu: {
      const V s = sigmoid(x);
      return s * fma(x, one - s, one);
    }
    case kGelu:
      return fma(x * V(0.398942280F), exp(V(-0.5F) * x * x), V(0.5F) * (one + (x * V(0.707106781F)).erf()));
    case kElu:
      return choose(less(zero, x), one, exp(minimum0(x)));
    case kSelu:
      return V(static_cast<float>(kSeluScale)) *
             choose(less(zero, x), one, V(static_cast<float>(kSeluAlpha)) * exp(minimum0(x)));
    case kSoftplus:
      return sigmoid(x);
    default:
      return zero;
  }
}

/// x·κ of the FFT basis in half-turns, whole turns taken off, as a sum of a part of 12 bits (times an integer up to
/// 4096 it is exact) and the rest: a phase of float32 alone would be wrong by up to πk·1e-7.
struct Phase {
  V high, low;
};

inline V leading_bits(const V& a) { return as_float(bits(a) & VI(static_cast<int32_t>(0xfffff000))); }

inline Phase fourier_phase(const V& x, const V& start, const V& scale, const V& scale_low) {
  const V d = x - start, back = d - x;
  const V lost = (x - (d - back)) - (start + back);
  const V high = leading_bits(d), low = (d - high) + lost;
  const V whole = high * scale, rest = fma(high, scale_low, low * (scale + scale_low));
  const V turns = (whole * V(0.5F) + V(kRound)) - V(kRound), product = fma(turns, V(-2.0F), whole);
  const V leading = leading_bits(product + rest);
  return {leading, (product - leading) + rest};
}

/// The angle k·phase - shift, reduced; cosine_part of it is cos(π(k·phase - shift)).
inline Turn fourier_turn(const Phase& phase, const V& k, const V& shift) {
  const V exact = fma(k, phase.high, shift.neg()), rest = k * phase.low, shifted = (exact + rest) + V(kRound);
  return {(exact - (shifted - V(kRound))) + rest, as_float(shift_left<31>(bits(shifted)))};
}

/// Domains of W inputs.
struct Domains {
  double start[W], end[W], unit[W];  // a, b, 2/(b-a)
};

inline Domains domains_of(const Basis& b, int64_t input, int64_t count, int64_t step) {
  Domains d = {};
  for (int64_t lane = 0; lane < count; ++lane) {
    const int64_t i = input + lane * step;
    d.start[lane] = b.knots[i * b.knot_count], d.end[lane] = b.knots[i * b.knot_count + b.intervals],
    d.unit[lane] = b.unit[i];
  }
  return d;
}

/// Calls use(n, T_n(x̂), dT_n/dx) for n = 0..degree. In float64: T_n' reaches n², which would magnify float32's
/// rounding.
template <class Use>
inline void chebyshev(const Domains& domains, int64_t degree, const V& x, Use use) {
  float lanes[W];
  double hat[W], scale[W], t0[W], t1[W], d0[W], d1[W];
  x.store(lanes);
  for (int64_t i = 0; i < W; ++i) {
    const double at = lanes[i], free = (at - domains.start[i]) * domains.unit[i] - 1.0;
    scale[i] = at >= domains.start[i] && at <= domains.end[i] ? domains.unit[i] : 0.0;
    hat[i] = free < -1.0 ? -1.0 : free > 1.0 ? 1.0 : free;
    t0[i] = 1.0, t1[i] = hat[i], d0[i] = 0.0, d1[i] = 1.0;
  }
  for (int64_t n = 0; n <= degree; ++n) {
    float value[W], slope[W];
    for (int64_t i = 0; i < W; ++i) {
      value[i] = static_cast<float>(t0[i]);
      slope[i] = static_cast<float>(d0[i] * scale[i]);
      const double t = 2.0 * hat[i] * t1[i] - t0[i], d = 2.0 * t1[i] + 2.0 * hat[i] * d1[i] - d0[i];
      t0[i] = t1[i], t1[i] = t, d0[i] = d1[i], d1[i] = d;
    }
    use(n, flush_tiny(load(value)), flush_tiny(load(slope)));
  }
}

/// Where x lies in the extended grid: `knot` indexes the cell's first knot in the table that `base` points into, and
/// `first` is the number of the first of the degree+1 functions that are not zero there; lanes outside: below -10^6.
struct SplineCell {
  VI knot, first;
};

inline SplineCell find_spline_cell(const Basis& b, const float* knots, const VI& base, const V& x) {
  const int64_t k = b.degree, last = b.intervals + 2 * k;
  const VI origin = base + VI(static_cast<int32_t>(k)), end(static_cast<int32_t>(last));
  VI low(0);
  int64_t step = 1;
  while (step * 2 < last) step *= 2;
  for (; step > 0; step /= 2) {
    const VI candidate = at::vec::minimum(low + VI(static_cast<int32_t>(step)), end);
    low = choose(at_most(gather(knots, origin + candidate), x), candidate, low);
  }
  const V first_knot = gather(knots, origin), last_knot = gather(knots, origin + end);
  low = at::vec::minimum(low, end - VI(1));  // x at or beyond the end
  const VI function = low - VI(static_cast<int32_t>(k)), outside(-2000000);
  VI first = choose(at_most(first_knot, x), function, outside);
  // Degree 0 is closed at b, as no function takes over there.
  first = choose(k == 0 ? at_most(x, last_knot) : less(x, last_knot), first, outside);
  return {origin + low, first};
}

/// The degree+1 B-splines of `degree` <= b.degree that are not zero in the cell, at x (local form of Cox and de Boor),
/// and the distances to the knots around it: right[d] to the d-th knot above, left[d] to the d-th below, d = 1..degree.
inline void local_bsplines(const float* knots, const VI& cell, const V& x, int64_t degree, V* n, V* left, V* right) {
  n[0] = V(1.0F);
  for (int64_t j = 1; j <= degree; ++j) {
    right[j] = gather(knots, cell + VI(static_cast<int32_t>(j))) - x;
    left[j] = x - gather(knots, cell + VI(static_cast<int32_t>(1 - j)));
    V saved(0.0F);
    for (int64_t r = 0; r < j; ++r) {
      const V share = n[r] / (right[r + 1] + left[j - r]);
      n[r] = fma(right[r + 1], share, saved);
      saved = left[j - r] * share;
    }
    n[j] = saved;
  }
}

/// Values and derivatives of the degree+1 functions of a cell.
struct Splines {
  V value[kMaxDegree + 1], slope[kMaxDegree + 1];
};

template <bool with_value, bool with_slope>
inline void evaluate_splines(const Basis& b, const float* knots, const SplineCell& cell, const V& x, Splines& out) {
  const int64_t k = b.degree;
  V left[kMaxDegree + 1], right[kMaxDegree + 1];
  if constexpr (with_value) {
    local_bsplines(knots, cell.knot, x, k, out.value, left, right);
    for (int64_t r = 0; r <= k; ++r) out.value[r] = flush_tiny(out.value[r]);
  }
  if constexpr (with_slope) {
    V lower[kMaxDegree + 1];
    if (k > 0) {
      local_bsplines(knots, cell.knot, x, k - 1, lower, left, right);
      right[k] = gather(knots, cell.knot + VI(static_cast<int32_t>(k))) - x;
      left[k] = x - gather(knots, cell.knot + VI(static_cast<int32_t>(1 - k)));
    }
    V below(0.0F);  // k N_{i,k-1} / (its support), of the function before
    for (int64_t r = 0; r <= k; ++r) {
      const V own = r < k ? V(static_cast<float>(k)) * lower[r] / (right[r + 1] + left[k - r]) : V(0.0F);
      out.slope[r] = flush_tiny(below - own);
      below = own;
    }
  }
}

}  // namespace
}  // namespace kaem::ops::simd
