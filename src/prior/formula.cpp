#include "kaem/prior/formula.h"

#include <ATen/ATen.h>

#include <cmath>
#include <cstdio>

namespace kaem {
namespace {

using at::Tensor;

Tensor sech(const Tensor& x) { return 2 * (-x.abs()).exp() / (1 + (-2 * x.abs()).exp()); }

// Checkpoints hold the numbers of these rows: new ones go to the end. Those of one shape stand in the order of their
// simplicity.
const auto kFunctions = std::to_array<UnivariateFunction>({
    {"0", "0", 0, Argument::kNone, false, false, [](const Tensor& x) { return at::zeros_like(x); },
     [](const Tensor& x) { return at::zeros_like(x); }},
    {"x", "[@]", 1, Argument::kNone, false, false, [](const Tensor& x) { return x; },
     [](const Tensor& x) { return at::ones_like(x); }},
    {"x^2", "[@]^2", 2, Argument::kShift, false, false, [](const Tensor& x) { return x.square(); },
     [](const Tensor& x) { return 2 * x; }},
    {"x^3", "[@]^3", 3, Argument::kShift, false, false, [](const Tensor& x) { return x.pow(3); },
     [](const Tensor& x) { return 3 * x.square(); }},
    {"x^4", "[@]^4", 4, Argument::kShift, false, false, [](const Tensor& x) { return x.pow(4); },
     [](const Tensor& x) { return 4 * x.pow(3); }},
    {"abs", "|@|", 2, Argument::kShift, false, false, [](const Tensor& x) { return x.abs(); },
     [](const Tensor& x) { return x.sign(); }},
    {"exp", "exp(@)", 2, Argument::kScale, true, false, [](const Tensor& x) { return x.exp(); },
     [](const Tensor& x) { return x.exp(); }},
    {"cos", "cos(@)", 3, Argument::kBoth, false, true, [](const Tensor& x) { return x.cos(); },
     [](const Tensor& x) { return -x.sin(); }},
    {"sin", "sin(@)", 3, Argument::kBoth, false, true, [](const Tensor& x) { return x.sin(); },
     [](const Tensor& x) { return x.cos(); }},
    {"tanh", "tanh(@)", 3, Argument::kBoth, false, false, [](const Tensor& x) { return x.tanh(); },
     [](const Tensor& x) { return 1 - x.tanh().square(); }},
    {"gaussian", "exp(-[@]^2)", 3, Argument::kBoth, false, false, [](const Tensor& x) { return (-x.square()).exp(); },
     [](const Tensor& x) { return -2 * x * (-x.square()).exp(); }},
    {"lorentzian", "1/(1 + [@]^2)", 3, Argument::kBoth, false, false,
     [](const Tensor& x) { return 1 / (1 + x.square()); },
     [](const Tensor& x) { return -2 * x / (1 + x.square()).square(); }},
    {"sech", "sech(@)", 3.5, Argument::kBoth, false, false, sech, [](const Tensor& x) { return -x.tanh() * sech(x); }},
    {"log1p", "log(1 + [@]^2)", 3, Argument::kBoth, false, false, [](const Tensor& x) { return x.square().log1p(); },
     [](const Tensor& x) { return 2 * x / (1 + x.square()); }},
    {"softplus", "log(1 + exp(@))", 3, Argument::kBoth, true, false,
     [](const Tensor& x) { return x.clamp_min(0) + (-x.abs()).exp().log1p(); },
     [](const Tensor& x) { return x.sigmoid(); }},
});

std::string number(double value) {
  std::array<char, 32> text{};
  (void)std::snprintf(text.data(), text.size(), "%.4g", value);
  return text.data();
}

/// "+ 0.3" or "- 0.3".
std::string added(double value) { return (value < 0 ? " - " : " + ") + number(std::abs(value)); }

std::string argument_text(double b, double c) {
  const std::string scaled = b == 1 ? "z" : b == -1 ? "-z" : number(b) + "*z";
  return c == 0 ? scaled : scaled + added(c);
}

}  // namespace

std::span<const UnivariateFunction> univariate_functions() { return kFunctions; }

std::string formula_text(const UnivariateFunction& function, const std::array<double, 4>& coefficients) {
  const auto [a, b, c, d] = coefficients;
  if (function.name == univariate_functions().front().name) return number(d);
  const std::string argument = argument_text(b, c);
  const bool alone = argument == "z";
  std::string text;
  for (const char letter : function.text) {
    if (letter == '@')
      text += argument;
    else if (letter == '[' || letter == ']')
      text += alone ? "" : letter == '[' ? "(" : ")";
    else
      text += letter;
  }
  const std::string whole = number(a) + "*" + text;
  return d == 0 ? whole : whole + added(d);
}

}  // namespace kaem
