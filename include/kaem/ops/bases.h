#pragma once

#include <cstdint>

#include "kaem/core/host_device.h"

/// The bases, a row each: enumerator, configuration word, family. Everything that has to know them all reads this list:
/// enumeration, words, dispatch to kernels, tests, benchmarks. New ones go to its end (the numbers are part of the
/// operators' schemas). C++17 without LibTorch: nvcc reads it.
// clang-format off
#define KAEM_BASES(ROW)                   \
  ROW(BSpline, "B-spline", kPieces)       \
  ROW(Rbf, "RBF", kRadial)                \
  ROW(Rswaf, "RSWAF", kRadial)            \
  ROW(Fft, "FFT", kFourier)               \
  ROW(Cheby, "Cheby", kPolynomial)        \
  ROW(Dog, "DoG", kWavelet)               \
  ROW(MexicanHat, "MexicanHat", kWavelet) \
  ROW(Morlet, "Morlet", kWavelet)         \
  ROW(Shannon, "Shannon", kWavelet)       \
  /* new rows: above this line */
// clang-format on

namespace kaem::ops {

/// In the order of docs/mathematics.md section 1.
enum class BasisKind : int64_t {
#define KAEM_ROW(name, word, family) k##name,
  KAEM_BASES(KAEM_ROW)
#undef KAEM_ROW
};

enum class BasisFamily {
  kPieces,      ///< piecewise polynomials on the knots
  kRadial,      ///< φ((x - c)/(τh)) around each knot c
  kFourier,     ///< cosines and sines
  kPolynomial,  ///< Chebyshev polynomials
  kWavelet      ///< φ((x - c)/s) with a translation c and a scale s of their own
};

KAEM_HD constexpr BasisFamily family_of(BasisKind kind) {
  switch (kind) {
#define KAEM_ROW(name, word, family) \
  case BasisKind::k##name:           \
    return BasisFamily::family;
    KAEM_BASES(KAEM_ROW)  // NOLINT(bugprone-branch-clone): bases of one family follow each other
#undef KAEM_ROW
  }
  return BasisFamily::kRadial;
}

KAEM_HD constexpr bool is_wavelet(BasisKind kind) { return family_of(kind) == BasisFamily::kWavelet; }

/// Base activations; `kNone` switches the base branch off (no feature).
enum class Activation : int64_t {
  kNone,
  kIdentity,
  kRelu,
  kLeakyRelu,
  kTanh,
  kSigmoid,
  kSilu,
  kGelu,
  kElu,
  kSelu,
  kSoftplus
};

}  // namespace kaem::ops
