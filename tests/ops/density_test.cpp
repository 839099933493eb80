// What chains ask of densities: fused float32 against the float64 reference implementations, and the reference
// implementations against their definitions.
#include "kaem/ops/density.h"

#include "support.h"

namespace kaem::ops {
namespace {

class EveryMixture : public ::testing::TestWithParam<std::pair<BasisKind, const char*>> {};

void compare_scores(const Case& c, int64_t samples, int64_t q_count, const std::string& what) {
  at::manual_seed(5 + static_cast<int64_t>(c.kind));
  const Tensor knots = make_knots(c, q_count), tau = as_float_sees(at::full({}, c.tau, wide()));
  const Tensor z = as_float_sees(at::rand({samples, q_count}, wide()) * 3 - 1.5);
  const Tensor weights = as_float_sees(at::randn({c.inputs, c.features(), q_count}, wide()));
  const Tensor constant = as_float_sees(at::randn({q_count, c.inputs}, wide()) * 5);
  const Tensor want = reference::mixture_score(z, knots, tau, weights, constant, c.spec());
  const Tensor got = mixture_score(narrow(z), narrow(knots), narrow(tau), narrow(weights), narrow(constant), c.spec());
  expect_close(got, want, 1e-5, what);
  EXPECT_TRUE(mixture_score(z, knots, tau, weights, constant, c.spec()).equal(want))
      << "float64 takes the reference implementation";
}

TEST_P(EveryMixture, ScoreAgreesWithTheReference) {
  compare_scores({.kind = GetParam().first, .inputs = 9}, 37, 5, "uneven");
  compare_scores({.kind = GetParam().first, .inputs = 4, .uniform = true}, 300, 3, "more samples than a chunk");
  compare_scores({.kind = GetParam().first, .activation = Activation::kNone, .intervals = 3, .inputs = 1}, 1, 1,
                 "single");
}

TEST_P(EveryMixture, ScoreIsTheGradientOfTheLogDensity) {
  const Case c{.kind = GetParam().first, .intervals = 6, .inputs = 5};
  at::manual_seed(3);
  const Tensor knots = make_knots(c, 4), tau = at::full({}, c.tau, wide()), constant = at::randn({4, 5}, wide());
  const Tensor weights = at::randn({5, c.features(), 4}, wide()), z = at::rand({20, 4}, wide()) * 2 - 1;
  const auto log_density = [&](const Tensor& at) {
    const Tensor each = at.unsqueeze(-1).expand({20, 4, 5});
    return (reference::edge_values(each, knots, tau, weights, c.spec(), 0) + constant).logsumexp(2);
  };
  const double h = 1e-6;
  const Tensor differences = (log_density(z + h) - log_density(z - h)) / (2 * h);
  expect_close(mixture_score(z, knots, tau, weights, constant, c.spec()), differences, 1e-6, "score");
}

INSTANTIATE_TEST_SUITE_P(Kinds, EveryMixture, ::testing::ValuesIn(kinds()),
                         [](const auto& test) { return std::string(test.param.second); });

TEST(MixtureScore, FarApartComponentsDoNotOverflow) {
  const Case c{.inputs = 3, .uniform = true};
  const Tensor knots = narrow(make_knots(c)), weights = at::randn({3, c.features(), 2});
  const Tensor constant = at::tensor({400.0F, -400.0F, 0.0F, -1000.0F, 0.0F, -2000.0F}).reshape({2, 3});
  const Tensor z = at::rand({50, 2}), tau = at::full({}, 0.9F);
  const Tensor alone = edge_values(z.unsqueeze(-1).expand({50, 2, 3}), knots, tau, weights, c.spec(), 1);
  expect_close(mixture_score(z, knots, tau, weights, constant, c.spec()),
               at::stack({alone.select(1, 0).select(1, 0), alone.select(1, 1).select(1, 1)}, 1), 1e-5, "score");
}

TEST(MixtureScore, OfNanIsNan) {
  expect_nan_reaches_scores(narrow);
  expect_nan_reaches_scores([](const Tensor& t) { return t; });  // the reference implementation
}

TEST(OutputError, AgreesWithTheReference) {
  at::manual_seed(8);
  for (const double steepness : {0.0, 1.0, 2.0}) {
    for (const int64_t width : {1, 15, 16, 35, 784}) {
      const Tensor x = as_float_sees(at::rand({3, width}, wide()));
      const Tensor g = as_float_sees(at::randn({2, 3, 7, width}, wide()) * 4), scale = at::full({}, 6.25, wide());
      const auto [distance, gradient] = output_error(narrow(x), narrow(g), steepness, scale);
      const auto [want_distance, want_gradient] = reference::output_error(x, g, steepness, scale);
      const std::string what = "steepness " + std::to_string(steepness) + ", width " + std::to_string(width);
      expect_close(distance, want_distance, 2e-6, what + " distance");
      expect_close(gradient, want_gradient, 2e-6, what + " gradient");
    }
  }
}

TEST(OutputError, GradientIsThatOfTheDistance) {
  at::manual_seed(9);
  for (const double steepness : {0.0, 1.0, 2.0}) {
    const Tensor x = at::rand({2, 5}, wide());
    Tensor g = at::randn({3, 2, 4, 5}, wide()).requires_grad_(true);
    (x.unsqueeze(1) - output_of(g, steepness)).square().sum().backward();
    const auto [distance, gradient] = output_error(x, g.detach(), steepness, at::full({}, 2.0, wide()));
    expect_close(gradient, -g.grad(), 1e-12, "gradient");
  }
}

TEST(OutputError, SaturatedOutputsHaveNoGradient) {
  const Tensor g = at::tensor({-200.0F, 200.0F, -90.0F}).reshape({1, 1, 1, 3}),
               x = at::tensor({0.0F, 0.0F, 1.0F}).unsqueeze(0);
  const auto [distance, gradient] = output_error(x, g, 1.0, at::full({}, 1.0));
  EXPECT_EQ(distance.item<float>(), 2.0F);
  EXPECT_LE(gradient.abs().max().item<float>(), 1e-30F);
}

TEST(Densities, RefuseShapesThatDoNotFit) {
  EXPECT_THROW(output_error(at::rand({3, 4}), at::rand({1, 2, 1, 4}), 1, at::ones({})), c10::ValueError);
  EXPECT_THROW(output_error(at::rand({3, 4}), at::rand({1, 3, 1, 5}), 1, at::ones({})), c10::ValueError);
  const Case c{.inputs = 2};
  EXPECT_THROW(mixture_score(at::rand({3, 4}), narrow(make_knots(c)), at::ones({}), at::rand({2, c.features(), 4}),
                             at::rand({2, 4}), c.spec()),
               c10::ValueError);
}

}  // namespace
}  // namespace kaem::ops
