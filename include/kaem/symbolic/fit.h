#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "kaem/prior/curves.h"
#include "kaem/prior/formula.h"

namespace kaem::symbolic {

/// f(z) ≈ a g(b z + c) + d of one component.
struct Candidate {
  int64_t function = 0;                  ///< number in univariate_functions
  std::array<double, 4> coefficients{};  ///< a, b, c, d
  double r2 = 0, score = 0;
};

/// Every function of the library fitted to every energy. G functions.
struct Fits {
  at::Tensor coefficients;  ///< float64 [G,Q,P,4]: a, b, c, d
  at::Tensor r2;            ///< float64 [G,Q,P]: weighted share of the energy's variance that is explained
  at::Tensor score;         ///< float64 [G,Q,P]: log2(1 - R² + 1e-5) + complexity/2; infinite: no candidate

  /// The `count` candidates of component (q,p) with the least scores, ascending.
  std::vector<Candidate> best(int64_t q, int64_t p, int64_t count) const;

  /// The best of each component.
  Formulas formulas() const;
};

/// What a point counts: "uniform" on the domain, or "density", the mean of the uniform and the component's own density.
std::vector<std::string> weight_names();

/// Closed forms of energies (`curves_of`; at least 3 points), by affine wrapping of each function (Liu et al. 2024,
/// section 2.5): a grid over b and c with a and d by least squares, then Gauss-Newton steps on b and c, float64. An
/// energy that is flat to 1e-6 nats is the constant. docs/mathematics.md section 2. ConfigError for an unknown weight.
Fits fit(const PriorCurves& curves, const std::string& weight = "uniform");

}  // namespace kaem::symbolic
