// Interpolations and traversals against closed forms.
#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "export/support.h"
#include "kaem/export/interpolate.h"
#include "kaem/export/traverse.h"
#include "support/small_models.h"

namespace kaem::test {
namespace {

using at::Tensor;

struct Walks : ::testing::Test {
  Walks() : model(linear_gaussian(0.3)), view(model->prior->view()), domain(model->prior->domain()) {}
  Tensor between(const std::string& path, const Tensor& a, const Tensor& b, int64_t count) const {
    return exports::latents_between(path, *view, domain, a, b, count);
  }
  const torch::NoGradGuard no_grad;
  Model model;
  std::shared_ptr<const PriorView> view;
  std::pair<double, double> domain;
  const Tensor a = torch::tensor({{{0.6}, {-1.2}}}, torch::kDouble),
               b = torch::tensor({{{-2.0}, {0.5}}}, torch::kDouble);
};

TEST_F(Walks, EveryPathEndsAtItsDraws) {
  ASSERT_EQ(exports::path_names(), (std::vector<std::string>{"linear", "slerp", "cdf"}));
  for (const auto& path : exports::path_names()) {
    const Tensor z = between(path, a, b, 7);
    EXPECT_EQ(z.sizes(), at::IntArrayRef({7, 2, 1}));
    EXPECT_LT((z[0] - a[0]).abs().max().item<double>(), 1e-4) << path;
    EXPECT_LT((z[6] - b[0]).abs().max().item<double>(), 1e-4) << path;
  }
}

TEST_F(Walks, LinearGoesByEqualSteps) {
  const Tensor steps = between("linear", a, b, 5).diff(1, 0);
  EXPECT_LT((steps - (b - a) / 4).abs().max().item<double>(), 1e-12);
}

TEST_F(Walks, SlerpTurnsByEqualAngles) {
  // Of vectors of length 2, 100 degrees apart: the way is an arc of that circle.
  const auto direction = [](double degrees) {
    const double angle = degrees * std::numbers::pi / 180;
    return 2 * torch::tensor({{{std::cos(angle)}, {std::sin(angle)}}}, torch::kDouble);
  };
  const Tensor z = between("slerp", direction(20), direction(120), 11);
  for (int64_t i = 0; i < 11; ++i)
    EXPECT_LT((z[i] - direction(20.0 + 10.0 * static_cast<double>(i))[0]).abs().max().item<double>(), 1e-12) << i;
  const Tensor still = between("slerp", a, 2 * a, 3);  // one direction: a straight way
  EXPECT_LT((still[1] - 1.5 * a[0]).abs().max().item<double>(), 1e-12);
}

/// The prior is N(0,1), so that F is known: its values go by equal steps.
TEST_F(Walks, CdfGoesByEqualShares) {
  const Tensor z = between("cdf", a, b, 9), f = 0.5 * torch::erfc(-z / std::sqrt(2.0));
  const Tensor expected = f[0] + torch::linspace(0, 1, 9, torch::kDouble).reshape({9, 1, 1}) * (f[8] - f[0]);
  EXPECT_LT((f - expected).abs().max().item<double>(), 2e-5);
}

TEST_F(Walks, StaysInTheDomain) {
  LoadedRun run = random_run(small_options(), {1, 2, 2});
  const auto prior = run.model->prior->view();
  const Tensor corner = torch::full({1, 3, 2}, 1.2);
  Tensor other = corner.clone();
  other.select(1, 0).mul_(-1);
  const Tensor z = exports::latents_between("slerp", *prior, run.model->prior->domain(), corner, other, 9);
  EXPECT_LE(z.abs().max().item<float>(), 1.2F);
}

/// x = zW with z ~ N(0, I): the distance of component q is (z_95 - z_5) ‖W_q‖, whatever the others are.
TEST_F(Walks, DistancesOfALinearModelAreKnown) {
  LoadedRun run;
  run.config.model = model->options, run.model = model;
  const auto found = exports::components_by_distance(run, Rng(1), 5);
  ASSERT_EQ(found.size(), 2U);
  const Tensor weight = generator_layer(*model)->base_weight;
  const double width = 2 * 1.6448536269514722;
  for (const auto& component : found) {
    EXPECT_NEAR(component.distance, width * weight[component.index].norm().item<double>(), 1e-3);
    EXPECT_NEAR(component.error, 0, 1e-6);
    EXPECT_NEAR(component.low, -width / 2, 1e-3);
    EXPECT_NEAR(component.high, width / 2, 1e-3);
  }
  EXPECT_EQ(found[0].index, 0) << "the longer row of W";
  EXPECT_GT(found[0].distance, found[1].distance);
}

/// Rows go over a component's quantiles, evenly in u, and change nothing else.
TEST_F(Walks, RowsMoveOneComponent) {
  LoadedRun run;
  run.config.model = model->options, run.model = model;
  const auto found = exports::components_by_distance(run, Rng(1), 3);
  const Tensor rows = exports::traversals(run, Rng(1), found, 5).reshape({2, 5, 4});
  const Tensor u = torch::linspace(0.05, 0.95, 5, torch::kDouble);
  const Tensor quantile = std::sqrt(2.0) * torch::erfinv(2 * u - 1), weight = generator_layer(*model)->base_weight;
  for (size_t i = 0; i < 2; ++i) {
    const Tensor moved = rows[static_cast<int64_t>(i)] - rows[static_cast<int64_t>(i)][0];
    const Tensor expected = (quantile - quantile[0]).unsqueeze(1) * weight[found[i].index];
    EXPECT_LT((moved - expected).abs().max().item<double>(), 1e-3);
  }
}

TEST(Traverse, DeepPriorsTakeQuantilesOfDraws) {
  const torch::NoGradGuard no_grad;
  ModelOptions options = small_options();
  options.prior.layer_widths = {3, 4, 2}, options.prior.reference = "gaussian";
  LoadedRun run = random_run(options, {1, 2, 2}, 0.01);  // nearly N(0, I)
  const auto found = exports::components_by_distance(run, Rng(1), 4);
  ASSERT_EQ(found.size(), 3U);
  for (const auto& component : found) {
    EXPECT_NEAR(component.low, -1.645, 0.4);
    EXPECT_NEAR(component.high, 1.645, 0.4);
    EXPECT_GT(component.distance, 0);
  }
  EXPECT_EQ(exports::traversals(run, Rng(1), found, 4).sizes(), at::IntArrayRef({12, 1, 2, 2}));
}

}  // namespace
}  // namespace kaem::test
