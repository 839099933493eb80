#pragma once

// Elementary functions on vectors: near-minimax polynomials of our own, about one unit in the last place, no table and
// no branch. Sleef's take twice as long, as they handle cases that cannot occur here. Included by kernels.cpp only.

#include "ops/simd/vector.h"

namespace kaem::ops::simd {
namespace {

constexpr float kRound = 12582912.0F;  // 1.5·2^23: adding it leaves the nearest integer in the low bits
constexpr float kLog2e = 1.44269504F;
constexpr float kLn2High = 0.693359375F, kLn2Low = -2.12194440e-4F;  // the high part has 9 bits: n·high is exact
constexpr float kTiny = 1e-20F;                                      // features below are exactly zero

/// 2^t where -126 <= t <= 127; garbage, but no trap, elsewhere.
inline V exp2_unchecked(const V& t) {
  const V shifted = t + V(kRound);
  const V f = t - (shifted - V(kRound));
  const V p =
      horner(f, 1.54614478e-4F, 1.33908668e-3F, 9.61805694e-3F, 5.55035695e-2F, 2.40226507e-1F, 6.93147182e-1F, 1.0F);
  return as_float(bits(p) + shift_left<23>(bits(shifted)));
}

/// exp(c·x) for c·x <= 0 with `scale` = c·log2(e); exactly zero below 1e-20.
inline V decay(const V& x, float scale) {
  const V t = x * V(scale);
#if defined(CPU_CAPABILITY_AVX512)
  // 2^t = 2^floor(t)·2^f in two instructions of this set, with f in [0,1)
  const V f = _mm512_reduce_ps(t, 0x09);
  const V p = horner(f, 1.87757669e-3F, 8.98934063e-3F, 5.58263175e-2F, 2.40153611e-1F, 6.93153083e-1F, 0.999999940F);
  return _mm512_maskz_scalef_ps(_mm512_cmp_ps_mask(t, V(-66.4385619F), _CMP_NLT_UQ), p, t);
#else
  return choose(less(t, V(-66.4385619F)), V(0.0F), exp2_unchecked(t));
#endif
}

/// exp(-u²/2).
inline V gaussian(const V& u) { return decay(u * u, -0.721347520F); }

struct Reduced {
  V r, power;  // x = n ln2 + r, power = 2^n
};

/// For x in [-87, 88].
inline Reduced reduce_exponent(const V& x) {
  const V shifted = fma(x, V(kLog2e), V(kRound));
  const V n = shifted - V(kRound);
  const V r = fma(n, V(-kLn2Low), fma(n, V(-kLn2High), x));
  return {r, as_float(shift_left<23>(bits(shifted)) + VI(0x3f800000))};
}

inline V expm1_tail(const V& r) {
  const V q = horner(r, 1.39336521e-3F, 8.36318173e-3F, 4.16664667e-2F, 1.66665763e-1F, 0.5F);
  return fma(r * r, q, r);
}

inline V clamp_exponent(const V& x) { return at::vec::clamp_min(at::vec::clamp_max(x, V(88.0F)), V(-87.0F)); }

/// exp(x); 1.6e-38 below -87.
inline V exp(const V& x) {
  const Reduced e = reduce_exponent(clamp_exponent(x));
  return fma(e.power, expm1_tail(e.r), e.power);
}

/// exp(x) - 1 with full relative accuracy at 0.
inline V expm1(const V& x) {
  const Reduced e = reduce_exponent(clamp_exponent(x));
  return fma(e.power, expm1_tail(e.r), e.power - V(1.0F));
}

/// log(1+y) for y > -1, with full relative accuracy at 0; about -88 at y = -1.
inline V log1p(const V& y) {
  const VI exponent = shift_right<23>(bits(V(1.0F) + y) - VI(0x3f3504f3));  // of (1+y)/√½
  const V power = as_float(VI(0x3f800000) - shift_left<23>(exponent));      // 2^-n
  const V f = fma(y, power, power - V(1.0F));
  const V tail = horner(f, -8.10155869e-2F, 1.27123073e-1F, -1.29722387e-1F, 1.42021731e-1F, -1.66422471e-1F,
                        2.00014681e-1F, -2.50002980e-1F, 3.33333284e-1F);
  const V square = f * f;
  const V series = fma(square * f, tail, fma(square, V(-0.5F), f));
  return fma(to_float(exponent), V(0.693147182F), series);
}

struct Turn {
  V f, sign_bits;  // t = n + f with |f| <= 1/2; the sign of (-1)^n as a float's bits
};

/// For |t| < 2^22.
inline Turn reduce_half_turns(const V& t) {
  const V shifted = t + V(kRound);
  return {t - (shifted - V(kRound)), as_float(shift_left<31>(bits(shifted)))};
}

inline V cosine_part(const Turn& a) {
  const V c = horner(a.f * a.f, -2.43963245e-2F, 2.34937310e-1F, -1.33521199F, 4.05870914F, -4.93480206F, 1.0F);
  return c ^ a.sign_bits;
}

inline V sine_part(const Turn& a) {
  const V s = horner(a.f * a.f, 7.76576623e-2F, -5.98291278e-1F, 2.55007744F, -5.16771030F, 3.14159274F);
  return (a.f * s) ^ a.sign_bits;
}

inline V flush_tiny(const V& phi) { return choose(less(phi.abs(), V(kTiny)), V(0.0F), phi); }

inline V sigmoid(const V& x) { return reciprocal(V(1.0F) + exp(x.neg())); }
inline V minimum0(const V& x) { return at::vec::clamp_max(x, V(0.0F)); }
inline V maximum0(const V& x) { return at::vec::clamp_min(x, V(0.0F)); }

}  // namespace
}  // namespace kaem::ops::simd
