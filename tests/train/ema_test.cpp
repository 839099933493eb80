#include "kaem/train/ema.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/nn/module.h>

#include <map>

#include "kaem/kan/layer.h"

namespace kaem {
namespace {

struct Holder : torch::nn::Module {
  explicit Holder(const BasisOptions& options) {
    layer = register_module("layer", KanLayer(3, 4, options, InitialDraws(Rng(2), "layer")));
  }
  KanLayer layer{nullptr};
};

BasisOptions basis_options(const std::string& kind) {
  BasisOptions o;
  o.kind = kind, o.grid_size = 8, o.eps_scale = 5, o.ridge = 1e-8;
  return o;
}

std::map<std::string, at::Tensor> state_of(const Ema& ema) {
  std::map<std::string, at::Tensor> state;
  for (const auto& [name, tensor] : ema.named_state()) state[name] = tensor;
  return state;
}

void nudge(torch::nn::Module& module, int64_t step) {
  const at::NoGradGuard no_grad;
  for (auto& p : module.parameters()) p.add_(Rng(4).normal(Stream::kTest, step, p.sizes()), 0.1);
}

TEST(EmaTest, StartsAtTheWeightsAndFollowsTheRecurrence) {
  const auto module = std::make_shared<Holder>(basis_options("RBF"));
  Ema ema(*module, 0.75);
  auto expected = module->layer->coefficients.detach().to(at::kDouble);
  EXPECT_TRUE(at::equal(state_of(ema).at("ema.layer.coefficients"), module->layer->coefficients));
  for (int64_t step = 0; step < 5; ++step) {
    nudge(*module, step);
    ema.update();
    expected = 0.75 * expected + 0.25 * module->layer->coefficients.detach().to(at::kDouble);
  }
  EXPECT_TRUE(at::allclose(state_of(ema).at("ema.layer.coefficients").to(at::kDouble), expected, 1e-6, 1e-7));
  EXPECT_FALSE(at::allclose(module->layer->coefficients.to(at::kDouble), expected, 1e-3, 1e-3));
  EXPECT_TRUE(at::equal(state_of(ema).at("ema.layer.knots"), module->layer->knots()));
}

TEST(EmaTest, SwapTwiceRestoresTheBits) {
  const auto module = std::make_shared<Holder>(basis_options("RBF"));
  Ema ema(*module, 0.5);
  nudge(*module, 0);
  const auto raw = module->layer->base_weight.detach().clone();
  const auto average = state_of(ema).at("ema.layer.base_weight").clone();
  ema.swap();
  EXPECT_TRUE(at::equal(module->layer->base_weight, average));
  EXPECT_FALSE(at::equal(raw, average));
  ema.swap();
  EXPECT_TRUE(at::equal(module->layer->base_weight, raw));
  EXPECT_TRUE(at::equal(state_of(ema).at("ema.layer.base_weight"), average));
}

/// What is made from a grid (a prior's cells, recordings) asks the version of its knots whether it is still good.
TEST(EmaTest, SwapLeavesGridsAlone) {
  const auto module = std::make_shared<Holder>(basis_options("RBF"));
  Ema ema(*module, 0.5);
  nudge(*module, 0);
  const auto knots = module->layer->knots();
  const auto version = knots._version();
  ema.swap(), ema.swap();
  EXPECT_EQ(knots._version(), version);
  EXPECT_EQ(module->layer->knots().data_ptr(), knots.data_ptr());
}

TEST(EmaTest, OffKeepsNothing) {
  const auto module = std::make_shared<Holder>(basis_options("RBF"));
  Ema ema(*module, 0);
  ema.update(), ema.refit(), ema.swap();
  EXPECT_TRUE(ema.named_state().empty());
}

/// The averaged curves are the same before and after the layer's knots moved, to the refit's own accuracy.
TEST(EmaTest, CurvesSurviveAGridUpdate) {
  for (const std::string kind : {"RBF", "B-spline", "Cheby"}) {
    const auto module = std::make_shared<Holder>(basis_options(kind));
    Ema ema(*module, 0.5);
    nudge(*module, 0);
    ema.update();
    const at::NoGradGuard no_grad;
    const auto inside = Rng(9).uniform(Stream::kTest, 0, {400, 3}) * 1.6 - 0.8;
    const auto averaged = [&] {
      ema.swap();
      const auto y = module->layer->forward(inside).clone();
      ema.swap();
      return y;
    };
    const auto before = averaged(), knots = module->layer->knots().clone();
    // Domain a little narrower and inner knots a little moved: a change that the basis can follow.
    module->layer->knots().mul_(0.9).add_(0.02 * at::sin(3 * module->layer->knots()));
    ASSERT_FALSE(at::equal(knots, module->layer->knots()));
    const auto swapped_without_refit = [&] {
      const auto a = state_of(ema);
      const auto raw = module->layer->coefficients.clone();
      module->layer->coefficients.copy_(a.at("ema.layer.coefficients"));
      const auto y = module->layer->forward(inside).clone();
      module->layer->coefficients.copy_(raw);
      return y;
    }();
    ema.refit();
    EXPECT_TRUE(at::equal(state_of(ema).at("ema.layer.knots"), module->layer->knots())) << kind;
    const auto relative = [&](const at::Tensor& y) { return ((y - before).norm() / before.norm()).item<double>(); };
    EXPECT_LT(relative(averaged()), 0.04) << kind;
    EXPECT_GT(relative(swapped_without_refit), 0.08) << kind << ": the test must see a missing refit";
  }
}

}  // namespace
}  // namespace kaem
