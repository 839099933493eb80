#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "kaem/prior/options.h"

namespace kaem {

struct Prior;

/// What a, d leave free of the argument b z + c: the scale of a power is a's, and so is the shift of an exponential.
enum class Argument { kNone, kShift, kScale, kBoth };

/// A function g of one variable that energies are written with: f(z) = a g(b z + c) + d. docs/mathematics.md section 2.
struct UnivariateFunction {
  std::string_view name;
  std::string_view text;  ///< "@" stands for the argument, "[@]" for one in brackets unless it is z alone
  double complexity;
  Argument free;
  bool mirrored;  ///< g(-x) is no ±g(x): both signs of b count
  bool periodic;  ///< g(x + π) = -g(x), and another row is g(x + π/2)
  at::Tensor (*value)(const at::Tensor& x);
  at::Tensor (*slope)(const at::Tensor& x);  ///< dg/dx; 0 at kinks
};

/// All of them, with bounded derivatives. Checkpoints know a function by its number here; the first is the constant 0.
std::span<const UnivariateFunction> univariate_functions();

/// Energies in closed form: of each component the number of its function, int64 [Q,P], and a, b, c, d, [Q,P,4].
struct Formulas {
  at::Tensor function, coefficients;
};

/// "0.52*cos(3.1*z + 0.2) - 0.7".
std::string formula_text(const UnivariateFunction& function, const std::array<double, 4>& coefficients);

/// The prior (univariate or mixture) that `prior` is but for its energies, which are formulas; `options` are those that
/// `prior` was made of. Reference density and proportions are copied. UsageError: a deep prior.
std::shared_ptr<Prior> with_formulas(const Prior& prior, const PriorOptions& options, const Formulas& formulas);

}  // namespace kaem
