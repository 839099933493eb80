#pragma once

// Scalar formulas of the bases and activations, for CUDA and for checks on the host. C++17, no torch header: nvcc reads
// it. Formulas: docs/mathematics.md section 1.

#include <cmath>
#include <cstdint>

#include "kaem/core/host_device.h"
#include "kaem/ops/bases.h"

namespace kaem::ops::math {

// Kinds and activations as the kernels hold them: numbers.
#define KAEM_ROW(name, word, family) constexpr int64_t k##name = static_cast<int64_t>(BasisKind::k##name);
KAEM_BASES(KAEM_ROW)
#undef KAEM_ROW
constexpr int64_t number(Activation activation) { return static_cast<int64_t>(activation); }
constexpr int64_t kNone = number(Activation::kNone), kIdentity = number(Activation::kIdentity),
                  kRelu = number(Activation::kRelu), kLeakyRelu = number(Activation::kLeakyRelu),
                  kTanh = number(Activation::kTanh), kSigmoid = number(Activation::kSigmoid),
                  kSilu = number(Activation::kSilu), kGelu = number(Activation::kGelu), kElu = number(Activation::kElu),
                  kSelu = number(Activation::kSelu), kSoftplus = number(Activation::kSoftplus);
constexpr double kPi = 3.14159265358979323846;
constexpr double kMexicanHatScale = 0.86732507058407751832;  // 2/(√3 π^¼)
constexpr double kSeluAlpha = 1.6732632423543772, kSeluScale = 1.0507009873554805, kLeakySlope = 0.01;
constexpr int64_t kMaxDegree = 32;

KAEM_HD constexpr bool is_wavelet(int64_t kind) { return ops::is_wavelet(static_cast<BasisKind>(kind)); }
/// One function of the distance from a knot, in units of the bandwidth.
KAEM_HD constexpr bool is_radial(int64_t kind) {
  return family_of(static_cast<BasisKind>(kind)) == BasisFamily::kRadial;
}
/// Numbers of an input's row of knots: kaem/ops/ops.h.
KAEM_HD inline int64_t knot_count(int64_t kind, int64_t intervals) {
  return is_wavelet(kind) ? 2 * intervals : intervals + 1;
}

/// x folded into [lower, upper] by reflection at the ends; what lies inside keeps its bits.
template <class T>
KAEM_HD inline T reflect(T x, T lower, T upper) {
  using std::floor;  // float32 stays float32
  x = x < lower ? 2 * lower - x : x;
  x = x > upper ? 2 * upper - x : x;
  if (x >= lower && x <= upper) return x;  // one reflection at each end, which is nearly always enough
  const T width = upper - lower, cell = floor((x - lower) / width), offset = (x - lower) - cell * width;
  const bool odd = cell - 2 * floor(cell / 2) == 1;
  const T folded = lower + (odd ? width - offset : offset);
  return folded < lower ? lower : folded > upper ? upper : folded;
}

/// Below 1e-20 a feature is exactly zero, so that no denormal number reaches a matrix product.
template <class T>
KAEM_HD inline T flush_tiny(T phi) {
  return phi < T(1e-20) && phi > T(-1e-20) ? T(0) : phi;
}

/// sin(πv)/(πv).
template <class T>
KAEM_HD KAEM_INLINE T sinc(T v) {
  return v == T(0) ? T(1) : sin(T(kPi) * v) / (T(kPi) * v);
}

template <class T>
KAEM_HD KAEM_INLINE T sinc_derivative(T v) {
  const T a = T(kPi) * v, b = a * a;
  if (b < T(0.25))
    return -T(kPi) * a * (T(1) / 3 - b * (T(1) / 30 - b * (T(1) / 840 - b * (T(1) / 45360 - b / 3991680))));
  return (cos(a) - sinc(v)) / v;
}

/// φ(u) of the bases that are one function of a distance u = (x - c)/(τh) or (x - c)/s; `frequency`: the Morlet's.
template <class T>
KAEM_HD KAEM_INLINE T radial(int64_t kind, T u, T frequency) {
  const auto gauss = [&] { return exp(T(-0.5) * u * u); };
  switch (static_cast<BasisKind>(kind)) {
    case BasisKind::kRbf:
      return gauss();
    case BasisKind::kRswaf: {
      const T e = exp(T(-2) * fabs(u));
      return 4 * e / ((1 + e) * (1 + e));
    }
    case BasisKind::kDog:
      return -u * gauss();
    case BasisKind::kMexicanHat:
      return T(kMexicanHatScale) * (1 - u * u) * gauss();
    case BasisKind::kMorlet:
      return cos(frequency * u) * gauss();
    case BasisKind::kShannon:
      return sinc(u / 2) * cos(T(1.5 * kPi) * u);
    case BasisKind::kBSpline:
    case BasisKind::kFft:
    case BasisKind::kCheby:
      break;
  }
  return T(0);  // the others are no functions of a distance
}

/// dφ/du.
template <class T>
KAEM_HD KAEM_INLINE T radial_derivative(int64_t kind, T u, T frequency) {
  const auto gauss = [&] { return exp(T(-0.5) * u * u); };
  switch (static_cast<BasisKind>(kind)) {
    case BasisKind::kRbf:
      return -u * gauss();
    case BasisKind::kRswaf: {
      const T e = exp(T(-2) * fabs(u)), slope = 8 * e * (1 - e) / ((1 + e) * (1 + e) * (1 + e));
      return u > 0 ? -slope : slope;
    }
    case BasisKind::kDog:
      return (u * u - 1) * gauss();
    case BasisKind::kMexicanHat:
      return T(kMexicanHatScale) * (u * u - 3) * u * gauss();
    case BasisKind::kMorlet:
      return (-frequency * sin(frequency * u) - u * cos(frequency * u)) * gauss();
    case BasisKind::kShannon: {
      const T angle = T(1.5 * kPi) * u;
      return T(0.5) * sinc_derivative(u / 2) * cos(angle) - T(1.5 * kPi) * sinc(u / 2) * sin(angle);
    }
    case BasisKind::kBSpline:
    case BasisKind::kFft:
    case BasisKind::kCheby:
      break;
  }
  return T(0);
}

template <class T>
KAEM_HD inline T logistic(T x) {
  return 1 / (1 + exp(-x));
}

template <class T>
KAEM_HD inline T activate(int64_t activation, T x) {
  switch (activation) {
    case kNone:
      return T(0);
    case kIdentity:
      return x;
    case kRelu:
      return x > 0 ? x : T(0);
    case kLeakyRelu:
      return x > 0 ? x : T(kLeakySlope) * x;
    case kTanh:
      return tanh(x);
    case kSigmoid:
      return logistic(x);
    case kSilu:
      return x * logistic(x);
    case kGelu:
      return T(0.5) * x * (1 + erf(x * T(0.70710678118654752440)));
    case kElu:
      return x > 0 ? x : expm1(x);
    case kSelu:
      return T(kSeluScale) * (x > 0 ? x : T(kSeluAlpha) * expm1(x));
    default:
      return (x > 0 ? x : T(0)) + log1p(exp(-fabs(x)));
  }
}

template <class T>
KAEM_HD inline T activate_derivative(int64_t activation, T x) {
  switch (activation) {
    case kNone:
      return T(0);
    case kIdentity:
      return T(1);
    case kRelu:
      return x > 0 ? T(1) : T(0);
    case kLeakyRelu:
      return x > 0 ? T(1) : T(kLeakySlope);
    case kTanh: {
      const T t = tanh(x);
      return 1 - t * t;
    }
    case kSigmoid:
      return logistic(x) * (1 - logistic(x));
    case kSilu:
      return logistic(x) * (1 + x * (1 - logistic(x)));
    case kGelu:
      return T(0.5) * (1 + erf(x * T(0.70710678118654752440))) + x * T(0.39894228040143267794) * exp(T(-0.5) * x * x);
    case kElu:
      return x > 0 ? T(1) : exp(x);
    case kSelu:
      return T(kSeluScale) * (x > 0 ? T(1) : T(kSeluAlpha) * exp(x));
    default:
      return logistic(x);
  }
}

/// Knot j of the grid extended by `degree` knots on both sides, a mean spacing apart; j = 0..G+2·degree.
template <class T>
KAEM_HD inline T extended_knot(const T* knots, int64_t intervals, int64_t degree, int64_t j) {
  const T spacing = (knots[intervals] - knots[0]) / static_cast<T>(intervals);
  if (j < degree) return knots[0] - spacing * static_cast<T>(degree - j);
  if (j > degree + intervals) return knots[intervals] + spacing * static_cast<T>(j - degree - intervals);
  return knots[j - degree];
}

/// Index of the extended knot interval that holds x, or -1 outside the extended grid; degree 0 is closed at its end.
template <class T>
KAEM_HD inline int64_t spline_cell(const T* knots, int64_t intervals, int64_t degree, T x) {
  const int64_t last = intervals + 2 * degree;
  if (degree == 0 && x == knots[intervals]) return intervals - 1;
  if (!(x >= extended_knot(knots, intervals, degree, 0)) || x >= extended_knot(knots, intervals, degree, last))
    return -1;
  int64_t low = 0, high = last;
  while (high - low > 1) {
    const int64_t middle = (low + high) / 2;
    if (extended_knot(knots, intervals, degree, middle) <= x)
      low = middle;
    else
      high = middle;
  }
  return low;
}

/// The degree+1 B-splines N_{cell-degree}..N_cell at x, by the local form of Cox and de Boor (The NURBS Book, A2.2).
/// `extension` knots stand before the grid: cell counts from the first of them.
template <class T>
KAEM_HD inline void local_bsplines(const T* knots, int64_t intervals, int64_t extension, int64_t degree, int64_t cell,
                                   T x, T* out) {
  const auto knot = [&](int64_t j) { return extended_knot(knots, intervals, extension, j); };
  out[0] = T(1);
  for (int64_t j = 1; j <= degree; ++j) {
    T saved = T(0);
    for (int64_t r = 0; r < j; ++r) {
      // Cells at the rim reach knots that do not exist; the functions there are not used.
      const int64_t low = cell + 1 - j + r, high = cell + r + 1;
      if (low < 0 || high > intervals + 2 * extension) {
        out[r] = saved;
        saved = T(0);
        continue;
      }
      const T share = out[r] / (knot(high) - knot(low));
      out[r] = saved + (knot(high) - x) * share;
      saved = (x - knot(low)) * share;
    }
    out[j] = saved;
  }
}

/// One input of a basis: its grid and its scale, as a sum of two numbers (radial: 1/(τh); FFT: τ/(b-a); Morlet: τ).
template <class T>
struct Grid {
  int64_t kind, degree, activation, intervals, functions;
  const T* knots;
  T scale, scale_low;
};

/// The scale of an input, in float64: the caller rounds it to a Grid's two numbers.
KAEM_HD inline double grid_scale(int64_t kind, int64_t intervals, double first, double last, double tau) {
  if (is_wavelet(kind)) return tau;
  return kind == kFft ? tau / (last - first) : static_cast<double>(intervals) / (tau * (last - first));
}

/// a b, rounded: what is derived from its rounding must not see it fused into a sum, as nvcc does by default.
KAEM_HD inline float rounded_product(float a, float b) {
#ifdef __CUDA_ARCH__
  return __fmul_rn(a, b);
#else
  return a * b;
#endif
}
KAEM_HD inline double rounded_product(double a, double b) {
#ifdef __CUDA_ARCH__
  return __dmul_rn(a, b);
#else
  return a * b;
#endif
}

/// cos(π·frequency·κ·(x - a) - π·shift) with the phase's rounding carried along: it would count k times.
template <class T>
KAEM_HD inline T fourier(const Grid<T>& g, T x, T frequency, T shift) {
  const T a = g.knots[0], d = x - a, back = d - x, lost_digits = (x - (d - back)) - (a + back);
  const T turns = rounded_product(d, g.scale);
  const T rest = fma(d, g.scale, -turns) + (d * g.scale_low + lost_digits * g.scale);
  const T phase = turns - 2 * rint(turns / 2), p = rounded_product(frequency, phase);
  const T lost = fma(frequency, phase, -p) + frequency * rest;
  return cos(T(kPi) * ((p - 2 * rint(p / 2)) - shift + lost));
}

/// T_n(x̂) or dT_n/dx; in float64, as T_n' reaches n².
template <class T>
KAEM_HD inline T chebyshev(const Grid<T>& g, T x, int64_t n, int order) {
  const double a = g.knots[0], b = g.knots[g.intervals], unit = 2.0 / (b - a);
  if (order == 1 && !(x >= g.knots[0] && x <= g.knots[g.intervals])) return T(0);
  const double free = (static_cast<double>(x) - a) * unit - 1.0, hat = free < -1.0 ? -1.0 : free > 1.0 ? 1.0 : free;
  double t0 = 1.0, t1 = hat, d0 = 0.0, d1 = 1.0;
  for (int64_t i = 0; i < n; ++i) {
    const double t = 2.0 * hat * t1 - t0, d = 2.0 * t1 + 2.0 * hat * d1 - d0;
    t0 = t1, t1 = t, d0 = d1, d1 = d;
  }
  return static_cast<T>(order == 0 ? t0 : d0 * unit);
}

/// B-spline f at x or its derivative; `where` decides the piece.
template <class T>
KAEM_HD inline T bspline(const Grid<T>& g, T x, T where, int64_t f, int order) {
  const int64_t k = g.degree, cell = spline_cell(g.knots, g.intervals, k, where), local = f - (cell - k);
  if (cell < 0 || local < 0 || local > k || (order == 1 && k == 0)) return T(0);
  T n[kMaxDegree + 1];
  if (order == 0) {
    local_bsplines(g.knots, g.intervals, k, k, cell, x, n);
    return n[local];
  }
  local_bsplines(g.knots, g.intervals, k, k - 1, cell, x, n);  // functions cell-k+1..cell of the degree below
  const auto knot = [&](int64_t j) { return extended_knot(g.knots, g.intervals, k, j); };
  const T below = local > 0 ? n[local - 1] / (knot(f + k) - knot(f)) : T(0);
  const T above = local < k ? n[local] / (knot(f + k + 1) - knot(f + 1)) : T(0);
  return static_cast<T>(k) * (below - above);
}

/// Feature f of an input at x (order 0) or its derivative in x (order 1).
template <class T>
KAEM_HD inline T feature(const Grid<T>& g, T x, T where, int64_t f, int order) {
  if (f == g.functions)
    return flush_tiny(order == 0 ? activate(g.activation, x) : activate_derivative(g.activation, x));
  if (g.kind == kBSpline) return flush_tiny(bspline(g, x, where, f, order));
  if (g.kind == kCheby) return flush_tiny(chebyshev(g, x, f, order));
  if (g.kind == kFft) {
    const bool sine = f > g.intervals;
    const T k = static_cast<T>(sine ? f - g.intervals : f), shift = sine ? T(0.5) : T(0);
    if (order == 0) return flush_tiny(fourier(g, x, k, shift));
    return flush_tiny(T(kPi) * k * g.scale * fourier(g, x, k, shift - T(0.5)));
  }
  // g.knots: translations, then scales.
  const T inverse = is_wavelet(g.kind) ? 1 / g.knots[g.intervals + f] : g.scale, u = (x - g.knots[f]) * inverse;
  return flush_tiny(order == 0 ? radial(g.kind, u, g.scale) : radial_derivative(g.kind, u, g.scale) * inverse);
}

/// What dφ_f/dx is to be multiplied by to give -τ (radial) or +τ (FFT) times dφ_f/dτ; 0 for the others (a Morlet's
/// frequency has no gradient here).
template <class T>
KAEM_HD inline T tau_distance(const Grid<T>& g, T x, int64_t f) {
  if (f == g.functions || (g.kind != kFft && !is_radial(g.kind))) return T(0);
  return x - g.knots[g.kind == kFft ? 0 : f];
}

}  // namespace kaem::ops::math
