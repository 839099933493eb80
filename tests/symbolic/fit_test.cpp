// Closed forms of energies whose formulas are known.
#include "kaem/symbolic/fit.h"

#include <functional>
#include <map>

#include "kaem/core/error.h"
#include "kaem/symbolic/components.h"
#include "support/random_model.h"

namespace kaem::test {
namespace {

using symbolic::Candidate;
using symbolic::Fits;

std::string name_of(const Candidate& c) {
  return std::string(univariate_functions()[static_cast<size_t>(c.function)].name);
}

/// Energies [K,Q,1] at 401 points of [low,high], with a flat density.
PriorCurves curves_of(const std::vector<std::function<double(double)>>& energies, double low, double high) {
  constexpr int64_t kPoints = 401;
  const at::Tensor z = torch::linspace(low, high, kPoints, torch::kDouble);
  const auto count = static_cast<int64_t>(energies.size());
  at::Tensor f = torch::empty({kPoints, count, 1}, torch::kDouble);
  for (int64_t k = 0; k < kPoints; ++k)
    for (int64_t q = 0; q < count; ++q) f[k][q][0] = energies[static_cast<size_t>(q)](z[k].item<double>());
  const at::Tensor density = torch::full_like(f, 1 / (high - low));
  return {z, f, torch::zeros_like(f), density, density};
}

/// A prior of three energies: linear interpolation of a parabola, a cosine and an absolute value with its kink at a
/// knot.
std::shared_ptr<Prior> prior_of_three(const MixtureOptions& mixture = {}) {
  constexpr int64_t kIntervals = 60;
  PriorOptions options;
  options.layer_widths = {1, 3};
  options.mixture = mixture;
  options.basis = {.kind = "B-spline", .degree = 1, .grid_size = kIntervals, .activation = "none"};
  auto prior = make_prior(options, Rng(1));
  const torch::NoGradGuard no_grad;
  const KanLayer layer = layer_of(prior);
  const at::Tensor z = torch::linspace(-1.2, 1.2, kIntervals + 1, torch::kDouble);
  layer->spline_weight.fill_(1);
  layer->coefficients.copy_(
      torch::stack({-2.5 * (z - 0.2).square(), 1.5 * (4 * z + 0.3).cos(), -3 * (z - 0.28).abs()}, 1).unsqueeze(0));
  return prior;
}

TEST(ClosedForms, OfAPriorAreThoseItWasMadeOf) {
  for (const bool mixture : {false, true})
    for (const char* weight : {"uniform", "density"}) {
      SCOPED_TRACE(str(weight, mixture ? ", mixture" : ""));
      const auto prior = prior_of_three({.enabled = mixture});
      const Fits fits = symbolic::fit(symbolic::curves_of(*prior, 401, "prior"), weight);
      const std::array<const char*, 3> names = {"x^2", "cos", "abs"};
      const std::array<std::array<double, 3>, 3> truth = {{{-2.5, 1, -0.2}, {1.5, 4, 0.3}, {-3, 1, -0.28}}};
      for (int64_t q = 0; q < 3; ++q) {
        const auto best = fits.best(q, 0, 3);
        ASSERT_EQ(best.size(), 3u);
        const auto i = static_cast<size_t>(q);
        EXPECT_EQ(name_of(best[0]), names[i]);
        EXPECT_GT(best[0].r2, 0.9999);
        for (size_t k = 0; k < 3; ++k) EXPECT_NEAR(best[0].coefficients[k], truth[i][k], 5e-3) << q << " " << k;
        EXPECT_LT(best[0].score, best[1].score);
        EXPECT_LE(best[1].score, best[2].score);
      }
    }
}

/// f(x) of each row, written apart from the library's.
const std::map<std::string, std::function<double(double)>> kTruths = {
    {"x", [](double x) { return x; }},
    {"x^2", [](double x) { return x * x; }},
    {"x^3", [](double x) { return x * x * x; }},
    {"x^4", [](double x) { return x * x * x * x; }},
    {"abs", [](double x) { return std::fabs(x); }},
    {"exp", [](double x) { return std::exp(x); }},
    {"cos", [](double x) { return std::cos(x); }},
    {"sin", [](double x) { return std::sin(x); }},
    {"tanh", [](double x) { return std::tanh(x); }},
    {"gaussian", [](double x) { return std::exp(-x * x); }},
    {"lorentzian", [](double x) { return 1 / (1 + x * x); }},
    {"sech", [](double x) { return 1 / std::cosh(x); }},
    {"log1p", [](double x) { return std::log(1 + x * x); }},
    {"softplus", [](double x) { return std::log(1 + std::exp(x)); }},
};

/// On a domain around 0 and on two beside it, with b and c off the search's grid; a negative b where that counts.
TEST(ClosedForms, EveryFunctionIsFoundAgain) {
  const auto functions = univariate_functions().subspan(1);  // without the constant
  for (const auto& [low, high] : {std::pair{-1.2, 1.2}, {0.0, 1.0}, {std::exp(-6.0), 4.0}}) {
    std::vector<std::function<double(double)>> truths;
    for (const auto& function : functions) {
      ASSERT_TRUE(kTruths.contains(std::string(function.name)))
          << function.name << ": a new row needs its formula here";
      // One that is curved in the domain: 3.1 half domains wide, its centre near a third of the way from the left.
      const double b = (function.mirrored ? -1 : 1) * 6.2 / (high - low), c = -b * (low + 0.35 * (high - low)) + 0.1;
      truths.emplace_back(
          [g = kTruths.at(std::string(function.name)), b, c](double z) { return -1.7 * g(b * z + c) + 0.4; });
    }
    const Fits fits = symbolic::fit(curves_of(truths, low, high));
    for (size_t i = 0; i < functions.size(); ++i) {
      const std::string name(functions[i].name);
      SCOPED_TRACE(str(name, " on ", low, ",", high));
      const Candidate best = fits.best(static_cast<int64_t>(i), 0, 1).front();
      const bool wave = name == "cos" || name == "sin", kink = name == "abs";  // each has half of the phases
      EXPECT_TRUE(name_of(best) == name || (wave && (name_of(best) == "cos" || name_of(best) == "sin")))
          << name_of(best);
      EXPECT_GT(best.r2, 1 - (kink ? 1e-5 : 1e-9));
      const auto [a, b, c, d] = best.coefficients;
      for (const double share : {0.0, 0.3, 0.55, 1.0}) {
        const double z = low + share * (high - low);
        EXPECT_NEAR(a * kTruths.at(name_of(best))(b * z + c) + d, truths[i](z), kink ? 2e-2 : 1e-4);
      }
    }
  }
}

/// The function x has a closed form of its own: the weighted least squares of a line.
TEST(ClosedForms, WeightsAreTheDensityAndTheDomain) {
  constexpr int64_t kPoints = 401;
  PriorCurves curves = curves_of({[](double z) { return z * z * z + z; }}, -1, 1);
  curves.density = (3 * curves.z).exp().reshape({-1, 1, 1}) * 3 / (std::exp(3) - std::exp(-3));
  for (const char* weight : {"uniform", "density"}) {
    double total = 0, z1 = 0, z2 = 0, f1 = 0, zf = 0;
    for (int64_t k = 0; k < kPoints; ++k) {
      const double z = curves.z[k].item<double>(), f = z * z * z + z;
      const double density = 3 * std::exp(3 * z) / (std::exp(3) - std::exp(-3));
      const double w =
          (k == 0 || k == kPoints - 1 ? 0.5 : 1) * (std::string(weight) == "uniform" ? 0.5 : 0.5 * density + 0.25);
      total += w, z1 += w * z, z2 += w * z * z, f1 += w * f, zf += w * z * f;
    }
    const double slope = (zf / total - z1 * f1 / total / total) / (z2 / total - z1 * z1 / total / total);
    const Fits fits = symbolic::fit(curves, weight);
    EXPECT_NEAR(fits.coefficients[1][0][0][0].item<double>(), slope, 1e-4 * slope) << weight;
  }
  EXPECT_THROW((void)symbolic::fit(curves, "none"), ConfigError);
}

TEST(ClosedForms, AFlatEnergyIsTheConstant) {
  const Fits fits = symbolic::fit(curves_of({[](double) { return 0.25; }, [](double z) { return 1e-3 * z; }}, 0, 1));
  const auto flat = fits.best(0, 0, 1), line = fits.best(1, 0, 1);
  EXPECT_EQ(name_of(flat[0]), "0");
  EXPECT_EQ(flat[0].r2, 1);
  EXPECT_NEAR(flat[0].coefficients[3], 0.25, 1e-12);
  EXPECT_EQ(name_of(line[0]), "x");  // however small
  for (const auto& candidate : fits.best(1, 0, 20)) EXPECT_NE(name_of(candidate), "0");
}

TEST(ClosedForms, FormulasAreWrittenAsOneWould) {
  const auto text = [](std::string_view name, std::array<double, 4> coefficients) {
    for (const auto& function : univariate_functions())
      if (function.name == name) return formula_text(function, coefficients);
    return std::string("none");
  };
  EXPECT_EQ(text("x", {2, 1, 0, 0}), "2*z");
  EXPECT_EQ(text("x^2", {-2.5, 1, -0.2, 0.125}), "-2.5*(z - 0.2)^2 + 0.125");
  EXPECT_EQ(text("x^2", {1, 1, 0, -1}), "1*z^2 - 1");
  EXPECT_EQ(text("exp", {0.5, -3, 0, 0}), "0.5*exp(-3*z)");
  EXPECT_EQ(text("gaussian", {1, 2, 1, 0}), "1*exp(-(2*z + 1)^2)");
  EXPECT_EQ(text("0", {0, 0, 0, 0.5}), "0.5");
}

}  // namespace
}  // namespace kaem::test
