// Features: the fused float32 kernels against the float64 reference implementation; the reference implementation's
// gradients against central differences.
#include <torch/csrc/autograd/autograd.h>

#include <cmath>
#include <functional>
#include <numbers>

#include "ops/math.h"
#include "support.h"

namespace kaem::ops {
namespace {

constexpr double kTolerance = 1e-5;

struct Problem {
  explicit Problem(const Case& c) : spec(c.spec()) {
    at::manual_seed(7 + static_cast<int64_t>(c.kind) * 100 + static_cast<int64_t>(c.activation));
    knots = make_knots(c);
    x = make_points(c, knots);
    tau = as_float_sees(at::full({}, c.tau, wide()));
    weight = as_float_sees(at::randn({c.rows, c.inputs, c.features()}, wide()));
  }
  BasisSpec spec;
  Tensor knots, x, tau, weight;
};

void compare_with_reference(const Case& c, const std::string& what) {
  const Problem p(c);
  const Tensor x64 = p.x.clone().requires_grad_(true), tau64 = tau_leaf(p.tau, c.kind);
  const Tensor x32 = narrow(p.x).requires_grad_(true), tau32 = tau_leaf(narrow(p.tau), c.kind);
  const Tensor want = reference::basis(x64, p.knots, tau64, p.spec), got = basis(x32, narrow(p.knots), tau32, p.spec);
  expect_close(got.detach(), want.detach(), kTolerance, what + " features");
  (want * p.weight).sum().backward();
  (got * narrow(p.weight)).sum().backward();
  // The activation's derivative at its kink is a choice; both reference implementations make the same one.
  expect_close(x32.grad(), x64.grad(), kTolerance, what + " gradient of x");
  if (tau64.grad().defined()) {  // one number, whose terms cancel: measured against the sum of their sizes
    const Tensor terms = reference::basis_tau_derivative(p.x, p.knots, p.tau, p.spec) * p.weight;
    expect_within(tau32.grad(), tau64.grad(), kTolerance * terms.abs().sum().item<double>(), what + " gradient of tau");
  }
  expect_close(basis_derivative(narrow(p.x), narrow(p.knots), narrow(p.tau), p.spec),
               reference::basis_derivative(p.x, p.knots, p.tau, p.spec), kTolerance, what + " derivative");
  expect_close(basis_pullback(narrow(p.weight), narrow(p.x), narrow(p.knots), narrow(p.tau), p.spec), x64.grad(),
               kTolerance, what + " pullback");
  expect_close(basis_pullback(p.weight, p.x, p.knots, p.tau, p.spec), x64.grad(), 1e-9, what + " pullback in float64");
}

class EveryBasis : public ::testing::TestWithParam<std::pair<BasisKind, const char*>> {};

TEST_P(EveryBasis, AgreesWithTheReference) {
  for (const bool uniform : {true, false}) {
    compare_with_reference({.kind = GetParam().first, .uniform = uniform}, uniform ? "uniform knots" : "uneven knots");
  }
}

TEST_P(EveryBasis, AgreesWithTheReferenceAtOddSizes) {
  for (const auto& [inputs, rows, intervals] : std::vector<std::array<int64_t, 3>>{
           {1, 1, 1}, {1, 9, 2}, {3, 70, 5}, {16, 65, 7}, {33, 2, 3}, {40, 130, 11}, {2, 8, 40}}) {
    compare_with_reference({.kind = GetParam().first,
                            .degree = 2,
                            .activation = Activation::kNone,
                            .intervals = intervals,
                            .inputs = inputs,
                            .rows = rows},
                           "inputs " + std::to_string(inputs) + " intervals " + std::to_string(intervals));
  }
}

TEST_P(EveryBasis, AgreesWithTheReferenceForEveryDegreeAndBandwidth) {
  for (const int64_t degree : {0, 1, 2, 3, 4, 5, 8}) {
    compare_with_reference({.kind = GetParam().first, .degree = degree}, "degree " + std::to_string(degree));
  }
  for (const double tau : {0.05, 0.3, 3.0, 20.0}) {
    compare_with_reference({.kind = GetParam().first, .tau = tau}, "tau " + std::to_string(tau));
  }
}

TEST_P(EveryBasis, HasNoDenormalFeatures) {
  Case c{.kind = GetParam().first, .inputs = 23, .rows = 400};
  const Problem p(c);
  const Tensor spread = narrow(p.x) * at::pow(10.0F, at::linspace(-12, 1, c.rows).unsqueeze(1));
  for (const double tau : {0.05, 0.2, 1.0}) {
    const Tensor narrow_tau = at::full({}, tau, at::kFloat);
    for (const Tensor& phi : {basis(spread, narrow(p.knots), narrow_tau, p.spec),
                              basis_derivative(spread, narrow(p.knots), narrow_tau, p.spec)}) {
      const Tensor tiny = at::logical_and(phi != 0, phi.abs() < 1e-20);
      EXPECT_EQ(tiny.sum().item<int64_t>(), 0) << "tau " << tau;
    }
  }
}

TEST_P(EveryBasis, ReferenceGradientsAgreeWithCentralDifferences) {
  // Points 1e-3 away from knots and ends; h = 1e-6, so that truncation (h²) and rounding (1e-16/h) stay below 1e-8.
  Case c{.kind = GetParam().first,
         .activation = Activation::kTanh,
         .intervals = 6,
         .inputs = 3,
         .rows = 12,
         .uniform = true};
  const Problem p(c);
  const Tensor cell =
      ((at::rand({c.rows, c.inputs}, wide()) * 5.0).floor() + at::rand({c.rows, c.inputs}, wide()) * 0.8 + 0.1);
  const Tensor x = (cell * 0.4 - 1.2).requires_grad_(true), tau = p.tau.clone().requires_grad_(true);
  const auto value = [&](const Tensor& at_x, const Tensor& at_tau) {
    return (reference::basis(at_x, p.knots, at_tau, p.spec) * p.weight.slice(0, 0, c.rows)).sum(-1);
  };
  value(x, tau).sum().backward();
  const double h = 1e-6;
  const c10::AutoGradMode no_grad(false);
  expect_close(x.grad(), (value(x + h, tau) - value(x - h, tau)) / (2 * h), 1e-7, "x");
  expect_close((reference::basis_derivative(x, p.knots, tau, p.spec) * p.weight).sum(-1),
               (value(x + h, tau) - value(x - h, tau)) / (2 * h), 1e-7, "derivative");
  if (tau.grad().defined()) {
    expect_close(tau.grad(), ((value(x, tau + h) - value(x, tau - h)) / (2 * h)).sum(), 1e-7, "tau");
    expect_close((reference::basis_tau_derivative(x, p.knots, tau, p.spec) * p.weight).sum(), tau.grad(), 1e-10,
                 "tau reference implementation");
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, EveryBasis, ::testing::ValuesIn(kinds()), [](const auto& p) { return p.param.second; });

// docs/mathematics.md section 1, written down again: φ((x - c)/s), the Morlet with frequency τ, with the gradients of
// translations, scales and frequency by differences.
TEST(Wavelets, AreFunctionsOfTranslationScaleAndFrequency) {
  const double x = 0.37, c = -0.21, s = 0.64, tau = 9.5, u = (x - c) / s;
  const auto value = [](BasisKind kind, double at, double centre, double scale, double frequency) {
    const Tensor knots = at::tensor({centre, scale}, wide()).reshape({1, 2});
    return reference::basis(at::full({1, 1}, at, wide()), knots, at::full({}, frequency, wide()),
                            {kind, 3, Activation::kNone})
        .item<double>();
  };
  const double gauss = std::exp(-u * u / 2), pi = std::numbers::pi;
  EXPECT_NEAR(value(BasisKind::kMorlet, x, c, s, tau), std::cos(tau * u) * gauss, 1e-14);
  EXPECT_NEAR(value(BasisKind::kDog, x, c, s, tau), -u * gauss, 1e-14);
  EXPECT_NEAR(value(BasisKind::kMexicanHat, x, c, s, tau),
              2 / (std::sqrt(3) * std::pow(pi, 0.25)) * (1 - u * u) * gauss, 1e-14);
  EXPECT_NEAR(value(BasisKind::kShannon, x, c, s, tau), std::sin(pi * u / 2) / (pi * u / 2) * std::cos(1.5 * pi * u),
              1e-14);
  for (const BasisKind kind : {BasisKind::kDog, BasisKind::kMexicanHat, BasisKind::kMorlet, BasisKind::kShannon})
    for (const auto type : {at::kDouble, at::kFloat}) {
      const Tensor knots = at::tensor({c, s}, wide()).reshape({1, 2}).to(type).requires_grad_(true);
      const Tensor frequency = at::full({}, tau, wide()).to(type).requires_grad_(true);
      basis(at::full({1, 1}, x, wide()).to(type), knots, frequency, {kind, 3, Activation::kNone}).sum().backward();
      const double h = 1e-6, bound = type == at::kDouble ? 1e-8 : 1e-5;
      const auto slope = [&](double dc, double ds, double dt) {
        return (value(kind, x, c + dc, s + ds, tau + dt) - value(kind, x, c - dc, s - ds, tau - dt)) / (2 * h);
      };
      EXPECT_NEAR(knots.grad()[0][0].item<double>(), slope(h, 0, 0), bound * 20);
      EXPECT_NEAR(knots.grad()[0][1].item<double>(), slope(0, h, 0), bound * 20);
      const double of_frequency = frequency.grad().defined() ? frequency.grad().item<double>() : 0.0;
      EXPECT_NEAR(of_frequency, slope(0, 0, h), bound * 20);
    }
}

// A row of knots for every edge is an input of its own.
TEST(Wavelets, OfEdgesAreInputsOfTheirOwn) {
  const Case c{.kind = BasisKind::kMorlet, .intervals = 3, .inputs = 4};
  at::manual_seed(2);
  const Tensor knots = make_knots(c, 5), z = at::rand({7, 5, 4}, wide()), tau = at::full({}, 6.0, wide());
  const Tensor all = edge_features(z, knots, tau, c.spec());
  for (int64_t q = 0; q < 5; ++q)
    for (int64_t p = 0; p < 4; ++p) {
      const Tensor own =
          reference::basis(z.select(1, q).slice(1, p, p + 1), knots.slice(0, p * 5 + q, p * 5 + q + 1), tau, c.spec());
      expect_close(all.select(1, q).select(1, p), own.squeeze(1), 1e-14, std::to_string(q) + " " + std::to_string(p));
    }
  EXPECT_THROW(edge_features(z, knots.slice(0, 1), tau, c.spec()), c10::ValueError);
  EXPECT_THROW(basis(at::rand({7, 4}, wide()), knots, tau, c.spec()), c10::ValueError);
}

TEST(Basis, AgreesWithTheReferenceForEveryActivation) {
  for (int64_t a = 0; a <= static_cast<int64_t>(Activation::kSoftplus); ++a) {
    for (const BasisKind kind : {BasisKind::kRbf, BasisKind::kBSpline, BasisKind::kCheby}) {
      compare_with_reference({.kind = kind, .activation = static_cast<Activation>(a)},
                             "activation " + std::to_string(a));
    }
  }
}

TEST(Basis, CellPicksThePieceOfASpline) {
  for (const int64_t degree : {0, 1, 3}) {
    const Problem p({.kind = BasisKind::kBSpline, .degree = degree, .activation = Activation::kNone});
    const Tensor low = p.knots.slice(1, 0, -1).t().contiguous(), high = p.knots.slice(1, 1).t().contiguous();
    const Tensor middle = as_float_sees((low + high) / 2);
    for (const Tensor& x : {low, high}) {
      const Tensor x64 = x.clone().requires_grad_(true), x32 = narrow(x).requires_grad_(true);
      const Tensor want = reference::basis(x64, p.knots, p.tau, p.spec, middle);
      const Tensor got = basis(x32, narrow(p.knots), narrow(p.tau), p.spec, narrow(middle));
      expect_close(got.detach(), want.detach(), kTolerance, "one-sided values");
      const Tensor weight = as_float_sees(at::randn(want.sizes(), wide()));
      if (degree == 0) continue;
      (want * weight).sum().backward();
      (got * narrow(weight)).sum().backward();
      expect_close(x32.grad(), x64.grad(), kTolerance, "one-sided gradient");
    }
  }
}

// The rounding of a phase would count k times. Against the C library's cosine of an angle in float64.
TEST(Basis, WavesOfAnyFrequencyKeepFloat32sDigits) {
  constexpr int64_t kWaves = 64;
  const Tensor knots = narrow(at::linspace(-1.2, 1.2, kWaves + 1, wide()).unsqueeze(0)), tau = at::ones({});
  const Tensor x = narrow(at::linspace(-1.2, 1.2, 4001, wide()).unsqueeze(1));
  const BasisSpec spec{BasisKind::kFft, 0, Activation::kNone};
  const double first = knots[0][0].item<double>(), last = knots[0][kWaves].item<double>();
  Tensor exact = at::empty({x.size(0), 1, 2 * kWaves + 1}, wide());
  for (int64_t n = 0; n < x.size(0); ++n) {
    double* const row = exact.mutable_data_ptr<double>() + n * exact.size(2);
    const double position = (static_cast<double>(x.const_data_ptr<float>()[n]) - first) / (last - first);
    row[0] = 1;
    for (int64_t k = 1; k <= kWaves; ++k) {
      const double angle = std::numbers::pi * static_cast<double>(k) * position;
      row[k] = std::cos(angle), row[kWaves + k] = std::sin(angle);
    }
  }
  expect_within(basis(x, knots, tau, spec), exact, 2.5e-7, "kernel");
  expect_within(reference::basis(x, knots, tau, spec), exact, 1e-7, "reference implementation in float32");
}

TEST(Basis, SplinesSumToOneInside) {
  for (const int64_t degree : {0, 1, 2, 3, 7}) {
    const Problem p({.kind = BasisKind::kBSpline, .degree = degree, .activation = Activation::kNone});
    const Tensor x =
        narrow(p.x.clamp(-1.2, 1.2)).clamp(narrow(p.knots).min().item<float>(), narrow(p.knots).max().item<float>());
    const Tensor total = basis(x, narrow(p.knots), narrow(p.tau), p.spec).sum(-1);
    expect_close(total, at::ones_like(total), 1e-6, "degree " + std::to_string(degree));
  }
}

TEST(Basis, SkipsGradientsThatNobodyWants) {
  const Problem p({});
  const Tensor knots = narrow(p.knots);
  const Tensor tau = narrow(p.tau).requires_grad_(true);
  basis(narrow(p.x), knots, tau, p.spec).sum().backward();
  ASSERT_TRUE(tau.grad().defined());
  const Tensor x = narrow(p.x).requires_grad_(true), fixed = narrow(p.tau);
  basis(x, knots, fixed, p.spec).sum().backward();
  EXPECT_TRUE(x.grad().defined());
  EXPECT_FALSE(fixed.grad().defined());
  const c10::AutoGradMode no_grad(false);
  EXPECT_FALSE(basis(x, knots, tau, p.spec).requires_grad());
}

TEST(Basis, RefusesSecondDerivativesOfFloat32) {
  const Problem p({});
  const Tensor x = narrow(p.x).requires_grad_(true);
  const Tensor loss = basis(x, narrow(p.knots), narrow(p.tau), p.spec).sum();
  EXPECT_THROW(loss.backward({}, std::nullopt, /*create_graph=*/true), c10::NotImplementedError);
}

TEST(Basis, TakesOtherTypesAndStrides) {
  const Problem p({});
  const Tensor want = reference::basis(p.x, p.knots, p.tau, p.spec);
  const Tensor half = basis(p.x.to(at::kBFloat16), p.knots.to(at::kBFloat16), p.tau.to(at::kBFloat16), p.spec);
  EXPECT_EQ(half.scalar_type(), at::kBFloat16);
  const Tensor strided = narrow(p.x).t().contiguous().t();
  expect_close(basis(strided, narrow(p.knots), narrow(p.tau), p.spec), want, kTolerance, "transposed x");
  EXPECT_EQ(basis(narrow(p.x).slice(0, 0, 0), narrow(p.knots), narrow(p.tau), p.spec).size(0), 0);
}

TEST(Basis, TakesGradientsWithTheirRowsInnermost) {
  const Problem p({});
  const Tensor knots = narrow(p.knots), tau = narrow(p.tau).requires_grad_(true);
  const int64_t inputs = knots.size(0);
  for (const int64_t rows : {1, 7, 16, 64, 65, 201}) {
    const Tensor x = (at::rand({rows, inputs}, at::kFloat) * 2 - 1).requires_grad_(true);
    const Tensor features = basis(x, knots, tau, p.spec), grad = at::randn(features.sizes());
    const Tensor inside_out = grad.permute({1, 2, 0}).contiguous().permute({2, 0, 1});
    const auto want = torch::autograd::grad({features}, {x, tau}, {grad}, /*retain_graph=*/true);
    const auto got = torch::autograd::grad({features}, {x, tau}, {inside_out});
    EXPECT_TRUE(at::equal(got[0], want[0])) << rows;
    EXPECT_TRUE(at::equal(got[1], want[1])) << rows;
    EXPECT_GT(want[0].abs().max().item<float>(), 0.0F);
  }
}

TEST(Basis, NamesTheArgumentThatIsWrong) {
  const Problem p({});
  try {
    basis(narrow(p.x), narrow(p.knots).slice(0, 1), narrow(p.tau), p.spec);
    FAIL();
  } catch (const c10::ValueError& e) {
    EXPECT_NE(std::string(e.what()).find("expected knots [19, G+1], got [18, 21]"), std::string::npos) << e.what();
  }
  EXPECT_THROW(basis(narrow(p.x), p.knots, narrow(p.tau), p.spec), c10::ValueError);
  EXPECT_THROW(basis(narrow(p.x)[0], narrow(p.knots), narrow(p.tau), p.spec), c10::ValueError);
}

/// The scalar formulas that CUDA is built of, in float64 on the host.
TEST(ScalarFormulas, AgreeWithTheReference) {
  for (const auto& [kind, name] : kinds()) {
    for (const int64_t degree : {0, 1, 3, 5}) {
      const Case c{.kind = kind, .degree = degree, .intervals = 6, .inputs = 5};
      const Problem p(c);
      const auto number = static_cast<int64_t>(kind);
      Tensor value = at::empty({c.rows, c.inputs, c.features()}, wide()), slope = at::empty_like(value),
             tau = at::empty_like(value);
      for (int64_t j = 0; j < value.numel(); ++j) {
        const int64_t f = j % c.features(), i = j / c.features() % c.inputs, n = j / c.features() / c.inputs;
        math::Grid<double> grid{number,
                                degree,
                                static_cast<int64_t>(c.activation),
                                c.intervals,
                                c.features() - 1,
                                p.knots.const_data_ptr<double>() + i * p.knots.size(1),
                                0.0,
                                0.0};
        grid.scale = math::grid_scale(number, c.intervals, grid.knots[0], grid.knots[c.intervals], c.tau);
        const double x = p.x.const_data_ptr<double>()[n * c.inputs + i];
        value.mutable_data_ptr<double>()[j] = math::feature(grid, x, x, f, 0);
        slope.mutable_data_ptr<double>()[j] = math::feature(grid, x, x, f, 1);
        tau.mutable_data_ptr<double>()[j] =
            math::feature(grid, x, x, f, 1) * math::tau_distance(grid, x, f) / c.tau * (number == math::kFft ? 1 : -1);
      }
      const std::string what = std::string(name) + " of degree " + std::to_string(degree);
      const Tensor exact_tau = at::full({}, c.tau, wide());
      expect_close(value, reference::basis(p.x, p.knots, exact_tau, p.spec), 1e-12, what);
      expect_close(slope, reference::basis_derivative(p.x, p.knots, exact_tau, p.spec), 1e-10, what + " slope");
      if (kind == BasisKind::kMorlet)
        continue;  // the gradient of its frequency is the reference implementation's alone
      expect_close(tau, reference::basis_tau_derivative(p.x, p.knots, exact_tau, p.spec), 1e-10, what + " tau");
    }
  }
}

TEST(ScalarFormulas, AreAccurateInFloat32) {
  for (const auto& [kind, name] : kinds()) {
    const Case c{.kind = kind, .intervals = 12, .inputs = 6};
    const Problem p(c);
    const auto number = static_cast<int64_t>(kind);
    const Tensor knots = narrow(p.knots);
    Tensor value = at::empty({c.rows, c.inputs, c.features()}), slope = at::empty_like(value);
    for (int64_t j = 0; j < value.numel(); ++j) {
      const int64_t f = j % c.features(), i = j / c.features() % c.inputs, n = j / c.features() / c.inputs;
      math::Grid<float> grid{number,
                             c.degree,
                             static_cast<int64_t>(c.activation),
                             c.intervals,
                             c.features() - 1,
                             knots.const_data_ptr<float>() + i * knots.size(1),
                             0.0F,
                             0.0F};
      const double scale =
          math::grid_scale(number, c.intervals, grid.knots[0], grid.knots[c.intervals], p.tau.item<double>());
      grid.scale = static_cast<float>(scale);
      grid.scale_low = static_cast<float>(scale - static_cast<double>(grid.scale));
      const auto x = static_cast<float>(p.x.const_data_ptr<double>()[n * c.inputs + i]);
      value.mutable_data_ptr<float>()[j] = math::feature(grid, x, x, f, 0);
      slope.mutable_data_ptr<float>()[j] = math::feature(grid, x, x, f, 1);
    }
    expect_close(value, reference::basis(p.x, p.knots, p.tau, p.spec), kTolerance, name);
    expect_close(slope, reference::basis_derivative(p.x, p.knots, p.tau, p.spec), kTolerance,
                 std::string(name) + " slope");
  }
}

TEST(ScalarFormulas, OfActivationsAgreeWithTheReference) {
  const Tensor x = at::linspace(-6, 6, 241, wide());
  for (int64_t a = 0; a <= math::kSoftplus; ++a) {
    Tensor value = at::empty_like(x), slope = at::empty_like(x);
    for (int64_t i = 0; i < x.numel(); ++i) {
      value.mutable_data_ptr<double>()[i] = math::activate(a, x.const_data_ptr<double>()[i]);
      slope.mutable_data_ptr<double>()[i] = math::activate_derivative(a, x.const_data_ptr<double>()[i]);
    }
    expect_close(value, activate(x, static_cast<Activation>(a)), 1e-12, "activation " + std::to_string(a));
    expect_close(slope, activate_derivative(x, static_cast<Activation>(a)), 1e-12, "activation " + std::to_string(a));
  }
}

TEST(FoldWeights, AgreesWithTheReference) {
  at::manual_seed(3);
  for (const auto& [inputs, functions, outputs] :
       std::vector<std::array<int64_t, 3>>{{1, 1, 1}, {5, 21, 37}, {40, 4, 160}, {3, 2, 7}}) {
    for (const bool with_base : {true, false}) {
      const Tensor base = with_base ? as_float_sees(at::randn({inputs, outputs}, wide())) : Tensor();
      const Tensor spline = as_float_sees(at::randn({inputs, outputs}, wide()));
      const Tensor c = as_float_sees(at::randn({inputs, functions, outputs}, wide()));
      std::vector<Tensor> leaves64 = {spline.clone(), c.clone()}, leaves32 = {narrow(spline), narrow(c)};
      if (with_base) leaves64.push_back(base.clone()), leaves32.push_back(narrow(base));
      for (auto* leaves : {&leaves64, &leaves32}) {
        for (Tensor& t : *leaves) t.requires_grad_(true);
      }
      const Tensor want = reference::fold_weights(with_base ? leaves64[2] : Tensor(), leaves64[0], leaves64[1]);
      const Tensor got = fold_weights(with_base ? leaves32[2] : Tensor(), leaves32[0], leaves32[1]);
      expect_close(got.detach(), want.detach(), 1e-6, "folded");
      const Tensor weight = as_float_sees(at::randn(want.sizes(), wide()));
      (want * weight).sum().backward();
      (got * narrow(weight)).sum().backward();
      for (size_t i = 0; i < leaves64.size(); ++i)
        expect_close(leaves32[i].grad(), leaves64[i].grad(), 1e-6, "gradient");
    }
  }
}

}  // namespace
}  // namespace kaem::ops
