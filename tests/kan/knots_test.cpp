// Trainable knots: their order, their fixed ends, and gradients with respect to them.
#include <gtest/gtest.h>
#include <torch/types.h>

#include "kaem/kan/layer.h"

namespace kaem {
namespace {

KanLayer make_layer(const std::string& kind, int64_t degree = 3, at::ScalarType dtype = torch::kDouble) {
  BasisOptions options = {.kind = kind, .degree = degree, .grid_size = 8};
  options.grid_trainable = true;
  KanLayer layer(3, 4, options, Rng(5), 1);
  layer->to(dtype);
  const torch::NoGradGuard no_grad;
  layer->coefficients.copy_(Rng(6).normal(Stream::kTest, 0, layer->coefficients.sizes()));
  layer->gaps.add_(Rng(7).normal(Stream::kTest, 0, layer->gaps.sizes()));
  return layer;
}

at::Tensor inputs(int64_t n, at::ScalarType dtype = torch::kDouble) {
  return 1.2 * (2 * Rng(8).uniform(Stream::kTest, 1, {n, 3}, dtype) - 1);
}

TEST(TrainableKnots, KeepTheirOrderAndEnds) {
  for (const auto dtype : {torch::kFloat, torch::kDouble}) {
    KanLayer layer = make_layer("RBF", 3, dtype);
    const at::Tensor low = layer->knots().select(1, 0).detach().clone();
    const torch::NoGradGuard no_grad;
    for (int64_t step = 0; step < 100; ++step) {
      layer->gaps.add_(20 * Rng(9).normal(Stream::kTest, step, layer->gaps.sizes()));
      const at::Tensor knots = layer->knots();
      ASSERT_TRUE(knots.isfinite().all().item<bool>());
      ASSERT_GT(knots.diff(1, 1).min().item<double>(), 0.005 * 2.4 / 8);
      ASSERT_TRUE(torch::equal(knots.select(1, 0), low));
      ASSERT_TRUE((knots.select(1, -1) == static_cast<float>(1.2)).all().item<bool>());
    }
  }
}

TEST(TrainableKnots, StartAsTheFixedOnesWould) {
  BasisOptions options = {.kind = "RBF", .grid_size = 8};
  KanLayer fixed(3, 4, options, Rng(5), 1);
  options.grid_trainable = true;
  KanLayer trained(3, 4, options, Rng(5), 1);
  EXPECT_LE((fixed->knots() - trained->knots()).abs().max().item<double>(), 1e-6);
  const at::Tensor x = 7 * inputs(300, torch::kFloat) + 3;
  fixed->initialise_grid(x, /*keep_ends=*/false), trained->initialise_grid(x, /*keep_ends=*/false);
  EXPECT_LE((fixed->knots() - trained->knots()).abs().max().item<double>(), 2e-5);
  const at::Tensor before = trained->knots().detach().clone();
  EXPECT_EQ(trained->update_grid(x + 1, /*keep_ends=*/false).moved, 0);
  EXPECT_TRUE(torch::equal(trained->knots(), before));
}

TEST(TrainableKnots, AreIgnoredWhereThereAreNone) {
  for (const char* kind : {"FFT", "Cheby"}) {
    BasisOptions options = {.kind = kind, .grid_size = 8};
    options.grid_trainable = true;
    EXPECT_FALSE(KanLayer(3, 4, options, Rng(5), 1)->has_trainable_knots());
  }
}

/// Gradient of `value` with respect to the gaps against fourth-order central differences.
template <class F>
void expect_gradient(KanLayer& layer, F&& value) {
  layer->zero_grad();
  value().backward();
  ASSERT_TRUE(layer->gaps.grad().defined());
  const at::Tensor gradient = layer->gaps.grad().flatten();
  const double bound = 1e-7 * (1 + gradient.abs().max().item<double>());
  EXPECT_GT(gradient.abs().max().item<double>(), 1e-3);
  const torch::NoGradGuard no_grad;
  at::Tensor flat = layer->gaps.detach().view(-1);
  for (int64_t i = 0; i < flat.numel(); ++i) {
    constexpr double kStep = 1e-4;
    const double start = flat[i].item<double>();
    const auto at_offset = [&](double offset) {
      flat[i].fill_(start + offset);
      return value().template item<double>();
    };
    const double near = at_offset(kStep) - at_offset(-kStep), far = at_offset(2 * kStep) - at_offset(-2 * kStep);
    flat[i].fill_(start);
    EXPECT_NEAR(gradient[i].item<double>(), (8 * near - far) / (12 * kStep), bound) << i;
  }
}

TEST(TrainableKnots, HaveGradientsInEveryBasis) {
  for (const auto& kind : basis_names()) {
    if (kind == "FFT" || kind == "Cheby") continue;
    SCOPED_TRACE(kind);
    KanLayer layer = make_layer(kind);
    const at::Tensor x = inputs(20), pull = Rng(9).normal(Stream::kTest, 2, {20, 4}, torch::kDouble);
    expect_gradient(layer, [&] { return (layer->forward(x) * pull).sum(); });
    const at::Tensor z = inputs(20).reshape({5, 4, 3});
    ops::BasisSpec spec = layer->spec;
    expect_gradient(layer,
                    [&] { return ops::edge_sum(z, layer->knots(), layer->bandwidth(), layer->weights(), spec).sum(); });
  }
}

TEST(TrainableKnots, HaveTheSameGradientsInSinglePrecision) {
  for (const auto& kind : {"RBF", "B-spline", "Morlet"}) {
    KanLayer wide = make_layer(kind), narrow = make_layer(kind, 3, torch::kFloat);
    const at::Tensor x = inputs(20);
    wide->forward(x).sum().backward(), narrow->forward(x.to(torch::kFloat)).sum().backward();
    const auto got = narrow->named_parameters(), want = wide->named_parameters();
    for (const auto& p : want)
      EXPECT_LE((got[p.key()].grad().to(torch::kDouble) - p.value().grad()).abs().max().item<double>(),
                1e-3 * p.value().grad().abs().max().item<double>() + 1e-6)
          << kind << " " << p.key();
  }
}

TEST(TrainableKnots, ServeWhatNeedsNoGradient) {
  KanLayer layer = make_layer("B-spline");
  const at::Tensor x = inputs(20).requires_grad_(), pull = torch::ones({20, 4}, torch::kDouble);
  layer->forward(x).sum().backward();
  EXPECT_LE((layer->input_gradient(x.detach(), pull) - x.grad()).abs().max().item<double>(), 1e-10);
}

}  // namespace
}  // namespace kaem
