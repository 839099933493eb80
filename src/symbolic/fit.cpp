#include "kaem/symbolic/fit.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <limits>
#include <numbers>

#include "kaem/core/table.h"

namespace kaem::symbolic {
namespace {

using at::Tensor;

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kFlat = 1e-12;        // variance of an energy that is a constant, nats²
constexpr double kUnexplained = 1e-5;  // share below which fits are equally good
constexpr double kNoSpread = 1e-12;    // of g, relative to its mean square: a constant
constexpr int64_t kAtOnce = 256;       // components

// In units of half the domain: b of a function that is not almost straight (a would be large, and lose digits) and not
// finer than a tenth of the domain, and how far from its middle a centre may lie.
constexpr double kLeastScale = 0.5, kMostScale = 16, kMostPeriods = 10, kFarthest = 3, kFarthestAtFirst = 1.5;
constexpr double kMostPhase = std::numbers::pi / 4;

/// Energies f [K,n], weighted mean 0, at points t [K,1]; weights w [K,n], columns with sum 1; variance of f [n].
struct Problem {
  Tensor t, f, w, variance;
};

/// g at b t + c of every component, centred, with a by least squares.
struct State {
  Tensor b, c;            ///< [n]
  Tensor x, g;            ///< [K,n]; g less its mean
  Tensor mean, variance;  ///< of g, [n]
  Tensor a, r2;           ///< [n]
};

Tensor weighted(const Problem& p, const Tensor& values) { return (p.w * values).sum(0); }

/// a and R² of a least-squares fit, from the moments of g and f: 0 where g does not vary.
std::pair<Tensor, Tensor> least_squares(const Tensor& variance, const Tensor& mean_square, const Tensor& covariance,
                                        const Tensor& variance_f) {
  const Tensor varies = at::logical_and(variance > kNoSpread * mean_square, variance_f > kFlat);
  const Tensor none = at::zeros({}, variance.options());
  const Tensor slope = at::where(varies, covariance / variance, none);
  return {slope, at::where(varies, slope * covariance / variance_f, none)};
}

State evaluate(const UnivariateFunction& function, const Problem& p, const Tensor& b, const Tensor& c) {
  State s{b, c, b * p.t + c, {}, {}, {}, {}, {}};
  const Tensor g = function.value(s.x);
  s.mean = weighted(p, g), s.g = g - s.mean;
  s.variance = weighted(p, s.g.square());
  std::tie(s.a, s.r2) = least_squares(s.variance, s.variance + s.mean.square(), weighted(p, s.g * p.f), p.variance);
  return s;
}

/// Pairs (b, c), both [M], among which the search begins. `unit`: b of functions whose scale is a's.
std::pair<Tensor, Tensor> grid_of(const UnivariateFunction& function, double unit) {
  const auto line = [](double from, double to, int64_t steps) { return at::linspace(from, to, steps, at::kDouble); };
  constexpr int64_t kScales = 24, kCentres = 31, kFrequencies = 120, kPhases = 5;
  Tensor b = at::full({1}, unit, at::kDouble);
  if (function.free == Argument::kScale || function.free == Argument::kBoth)
    b = function.periodic ? line(kLeastScale, kMostPeriods * std::numbers::pi, kFrequencies)
                          : line(std::log2(kLeastScale), std::log2(kMostScale), kScales).exp2();
  if (function.mirrored) b = at::cat({b, -b});
  if (function.free == Argument::kNone || function.free == Argument::kScale) return {b, at::zeros_like(b)};
  const Tensor place =
      function.periodic ? line(-kMostPhase, kMostPhase, kPhases) : line(-kFarthestAtFirst, kFarthestAtFirst, kCentres);
  const Tensor every_b = b.repeat_interleave(place.numel()), every_place = place.repeat({b.numel()});
  return {every_b, function.periodic ? every_place : -every_b * every_place};
}

/// The pair of the grid that explains most, for each component. All share g there: three matrix products.
std::pair<Tensor, Tensor> best_of_grid(const UnivariateFunction& function, const Problem& p, double unit) {
  const auto [b, c] = grid_of(function, unit);
  const Tensor g = function.value(b.unsqueeze(1) * p.t.t() + c.unsqueeze(1));  // [M,K]
  const Tensor mean = g.matmul(p.w), square = g.square().matmul(p.w), covariance = g.matmul(p.w * p.f);
  const Tensor r2 = least_squares(square - mean.square(), square, covariance, p.variance).second;
  const Tensor best = r2.argmax(0);
  return {b.index_select(0, best), c.index_select(0, best)};
}

/// Pushes b and c to where the function is meant to be looked at; the sign of b stays.
std::pair<Tensor, Tensor> within(const UnivariateFunction& function, const State& from, Tensor b, Tensor c) {
  if (function.free != Argument::kShift) {
    const double most = function.periodic ? kMostPeriods * std::numbers::pi : kMostScale;
    b = from.b.sign() * (b * from.b.sign()).clamp(kLeastScale, most);
  }
  if (function.periodic) return {b, c.clamp(-kMostPhase, kMostPhase)};
  return {b, at::minimum(at::maximum(c, -kFarthest * b.abs()), kFarthest * b.abs())};
}

/// A Gauss-Newton step on b and c, a and d being those of least squares (Kaufman 1975), damped by `damping` [n].
std::pair<Tensor, Tensor> step(const UnivariateFunction& function, const Problem& p, const State& s,
                               const Tensor& damping) {
  const Tensor slope = function.slope(s.x);
  const auto column = [&](const Tensor& h) {  // a h without what a and d can do
    const Tensor centred = h - weighted(p, h);
    return s.a * (centred - s.g * (weighted(p, s.g * centred) / s.variance.clamp_min(kNoSpread)));
  };
  const Tensor by_b = column(slope * p.t), by_c = column(slope), rest = p.f - s.a * s.g;
  const Tensor bb = weighted(p, by_b.square()) * (1 + damping), cc = weighted(p, by_c.square()) * (1 + damping);
  const Tensor b_rest = weighted(p, by_b * rest), c_rest = weighted(p, by_c * rest);
  const auto ratio = [](const Tensor& top, const Tensor& bottom) {
    return at::where(bottom > 0, top / bottom, at::zeros({}, top.options()));
  };
  if (function.free == Argument::kShift) return {at::zeros_like(s.b), ratio(c_rest, cc)};
  if (function.free == Argument::kScale) return {ratio(b_rest, bb), at::zeros_like(s.c)};
  const Tensor bc = weighted(p, by_b * by_c), determinant = bb * cc - bc.square();
  return {ratio(cc * b_rest - bc * c_rest, determinant), ratio(bb * c_rest - bc * b_rest, determinant)};
}

/// Steps that explain more are taken, the damping follows (Levenberg 1944; Marquardt 1963).
State refined(const UnivariateFunction& function, const Problem& p, State s) {
  if (function.free == Argument::kNone) return s;
  constexpr int64_t kSteps = 40;
  constexpr double kFirst = 1e-2, kLess = 0.2, kMore = 5, kLeast = 1e-12, kMost = 1e9;
  Tensor damping = at::full_like(s.b, kFirst);
  for (int64_t i = 0; i < kSteps; ++i) {
    const auto [by_b, by_c] = step(function, p, s, damping);
    const auto [b, c] = within(function, s, s.b + by_b, s.c + by_c);
    const State next = evaluate(function, p, b, c);
    const Tensor better = next.r2 > s.r2;
    damping = (damping * at::where(better, at::full({}, kLess, at::kDouble), at::full({}, kMore, at::kDouble)))
                  .clamp(kLeast, kMost);
    const auto take = [&](const Tensor& now, const Tensor& before) { return at::where(better, now, before); };
    s = {take(next.b, s.b), take(next.c, s.c),       take(next.x, s.x),
         take(next.g, s.g), take(next.mean, s.mean), take(next.variance, s.variance),
         take(next.a, s.a), take(next.r2, s.r2)};
  }
  return s;
}

/// a, b, c, d of z [n,4] and R² [n] of one function; `mean` [n] of the energies.
std::pair<Tensor, Tensor> fit_function(const UnivariateFunction& function, Problem p, const Tensor& z,
                                       const Tensor& mean) {
  const double low = z[0].item<double>(), high = z[-1].item<double>(), half = (high - low) / 2;
  // Functions whose shift is not free are fixed at z = 0, the others are searched for around the domain's middle.
  const bool fixed = function.free == Argument::kNone || function.free == Argument::kScale;
  const double middle = fixed ? 0 : (low + high) / 2;
  p.t = ((z - middle) / half).unsqueeze(1);
  const auto [b, c] = best_of_grid(function, p, half);
  const State s = refined(function, p, evaluate(function, p, b, c));
  const Tensor scale = s.b / half;
  return {at::stack({s.a, scale, s.c - scale * middle, mean - s.a * s.mean}, 1), s.r2};
}

Tensor score_of(const UnivariateFunction& function, bool constant, const Tensor& r2, const Tensor& variance) {
  const Tensor score = (1 - r2 + kUnexplained).log2() + function.complexity / 2;
  return constant ? at::where(variance > kFlat, at::full({}, kInfinity, score.options()), score) : score;
}

/// All functions for energies f [K,n] with weights w [K,n].
Fits fit_some(const Tensor& z, const Tensor& f, const Tensor& w) {
  const Tensor mean = (w * f).sum(0), centred = f - mean, variance = (w * centred.square()).sum(0);
  std::vector<Tensor> coefficients, r2, score;
  for (const auto& function : univariate_functions()) {
    const bool constant = &function == &univariate_functions().front();
    auto [own, share] = fit_function(function, {{}, centred, w, variance}, z, mean);
    if (constant) share = (variance <= kFlat).to(at::kDouble);
    coefficients.push_back(own), r2.push_back(share);
    score.push_back(score_of(function, constant, share, variance));
  }
  return {at::stack(coefficients), at::stack(r2), at::stack(score)};
}

using MakeWeight = Tensor (*)(const PriorCurves&);
constexpr auto kWeights = std::to_array<Named<MakeWeight>>({
    {"uniform", [](const PriorCurves& c) { return at::ones_like(c.density); }},
    // Not the density alone: a formula might rise where there was none.
    {"density",
     [](const PriorCurves& c) {
       return 0.5 * (c.density / at::trapezoid(c.density, c.z, 0) + 1 / (c.z[-1] - c.z[0]));
     }},
});

/// Weights of the points, [K,C], whose columns have sum 1: the trapezoidal rule's.
Tensor weights_of(const PriorCurves& curves, const std::string& name) {
  const Tensor value = find(kWeights, "weight", name)(curves).flatten(1);
  Tensor width = at::ones_like(curves.z);
  width[0].fill_(0.5), width[-1].fill_(0.5);
  const Tensor all = value * width.unsqueeze(1);
  return all / all.sum(0);
}

}  // namespace

std::vector<std::string> weight_names() { return names_of(kWeights); }

Fits fit(const PriorCurves& curves, const std::string& weight) {
  const c10::AutoGradMode no_grad(false);
  const int64_t q = curves.energy.size(1), p = curves.energy.size(2);
  const Tensor f = curves.energy.flatten(1), w = weights_of(curves, weight);
  std::vector<Tensor> coefficients, r2, score;
  for (int64_t first = 0; first < f.size(1); first += kAtOnce) {
    const int64_t size = std::min(kAtOnce, f.size(1) - first);
    const Fits some = fit_some(curves.z, f.narrow(1, first, size).contiguous(), w.narrow(1, first, size).contiguous());
    coefficients.push_back(some.coefficients), r2.push_back(some.r2), score.push_back(some.score);
  }
  return {at::cat(coefficients, 1).unflatten(1, {q, p}), at::cat(r2, 1).unflatten(1, {q, p}),
          at::cat(score, 1).unflatten(1, {q, p})};
}

std::vector<Candidate> Fits::best(int64_t q, int64_t p, int64_t count) const {
  const Tensor own = score.select(1, q).select(1, p), order = own.argsort(/*stable=*/true, 0, /*descending=*/false);
  std::vector<Candidate> candidates;
  for (int64_t i = 0; i < std::min(count, order.size(0)); ++i) {
    Candidate c;
    c.function = order[i].item<int64_t>();
    c.score = own[c.function].item<double>(), c.r2 = r2[c.function][q][p].item<double>();
    if (c.score == kInfinity) break;
    const Tensor numbers = coefficients[c.function][q][p].contiguous();
    std::copy_n(numbers.const_data_ptr<double>(), c.coefficients.size(), c.coefficients.begin());
    candidates.push_back(c);
  }
  return candidates;
}

Formulas Fits::formulas() const {
  const Tensor function = score.argmin(0);
  const Tensor which = function.unsqueeze(0).unsqueeze(3).expand({1, -1, -1, 4});
  return {function, coefficients.gather(0, which).squeeze(0)};
}

}  // namespace kaem::symbolic
