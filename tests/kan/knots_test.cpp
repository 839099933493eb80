// Trainable knots: their order, their fixed ends, and gradients with respect to them.
#include <gtest/gtest.h>
#include <torch/types.h>

#include <cmath>

#include "kaem/kan/layer.h"
#include "support/differences.h"

namespace kaem {
namespace {

KanLayer make_layer(const std::string& kind, int64_t degree = 3, at::ScalarType dtype = torch::kDouble) {
  BasisOptions options = {.kind = kind, .degree = degree, .grid_size = 8};
  options.grid_trainable = true;
  KanLayer layer(3, 4, options, InitialDraws(Rng(5), "layer"));
  layer->to(dtype);
  const torch::NoGradGuard no_grad;
  layer->coefficients.copy_(Rng(6).normal(Stream::kTest, 0, layer->coefficients.sizes()));
  if (layer->gaps.defined()) layer->gaps.add_(Rng(7).normal(Stream::kTest, 0, layer->gaps.sizes()));
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
  KanLayer fixed(3, 4, options, InitialDraws(Rng(5), "layer"));
  options.grid_trainable = true;
  KanLayer trained(3, 4, options, InitialDraws(Rng(5), "layer"));
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
    EXPECT_FALSE(KanLayer(3, 4, options, InitialDraws(Rng(5), "layer"))->has_trainable_knots());
  }
}

/// Gradient of `value` with respect to a parameter of the layer against differences.
template <class F>
void expect_gradient(KanLayer& layer, const at::Tensor& parameter, F&& value) {
  layer->zero_grad();
  value().backward();
  ASSERT_TRUE(parameter.grad().defined());
  const at::Tensor gradient = parameter.grad().flatten();
  const double bound = 1e-7 * (1 + gradient.abs().max().item<double>());
  EXPECT_GT(gradient.abs().max().item<double>(), 1e-3);
  const at::Tensor flat = parameter.detach().view(-1);
  for (int64_t i = 0; i < flat.numel(); ++i)
    EXPECT_NEAR(gradient[i].item<double>(), test::difference(flat, i, 1e-4, value), bound) << i;
}

TEST(TrainableKnots, HaveGradientsInEveryBasis) {
  for (const auto& kind : basis_names()) {
    if (!has_movable_knots(make_basis_spec({.kind = kind}).kind)) continue;
    SCOPED_TRACE(kind);
    KanLayer layer = make_layer(kind);
    const at::Tensor x = inputs(20), pull = Rng(9).normal(Stream::kTest, 2, {20, 4}, torch::kDouble);
    expect_gradient(layer, layer->gaps, [&] { return (layer->forward(x) * pull).sum(); });
    const at::Tensor z = inputs(20).reshape({5, 4, 3});
    ops::BasisSpec spec = layer->spec;
    expect_gradient(layer, layer->gaps,
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

const std::vector<std::string> kWavelets = {"DoG", "MexicanHat", "Morlet", "Shannon"};

TEST(Wavelets, AreTrainedForEachInputOrEdge) {
  for (const auto& kind : kWavelets)
    for (const auto of : {WaveletsOf::kInput, WaveletsOf::kEdge}) {
      SCOPED_TRACE(kind);
      KanLayer layer(3, 4, BasisOptions{.kind = kind, .grid_size = 2, .eps_scale = 4, .tau = 3},
                     InitialDraws(Rng(5), "layer"), of);
      layer->to(torch::kDouble);
      EXPECT_EQ(layer->translations.size(0), of == WaveletsOf::kEdge ? 12 : 3);
      EXPECT_EQ(layer->coefficients.size(1), 2) << "as many wavelets as grid_size says";
      const at::Tensor z = inputs(20).reshape({5, 4, 3});
      const auto sum = [&] {
        return ops::edge_sum(z, layer->knots(), layer->bandwidth(), 10 * layer->weights(), layer->spec).sum();
      };
      for (const auto& parameter : {layer->translations, layer->scales}) expect_gradient(layer, parameter, sum);
      if (kind == "Morlet") expect_gradient(layer, layer->tau, sum);
      EXPECT_EQ(layer->tau.requires_grad(), kind == "Morlet");
      EXPECT_EQ(layer->update_grid(inputs(100), /*keep_ends=*/true).moved, 0) << "trained, not moved";
      if (of == WaveletsOf::kEdge) continue;
      const at::Tensor x = inputs(20), pull = Rng(9).normal(Stream::kTest, 2, {20, 4}, torch::kDouble);
      for (const auto& parameter : {layer->translations, layer->scales})
        expect_gradient(layer, parameter, [&] { return 10 * (layer->forward(x) * pull).sum(); });
    }
}

// docs/mathematics.md section 1: wavelets start evenly over the domain, a lone Morlet on [-1,1] as cos(τx) exp(-x²/2).
TEST(Wavelets, StartEvenly) {
  BasisOptions options = {.kind = "Morlet", .grid_size = 1, .grid_range = {-1, 1}, .tau = 10};
  KanLayer lone(2, 3, options, InitialDraws(Rng(5), "layer"), WaveletsOf::kEdge);
  EXPECT_TRUE(torch::equal(lone->knots(), torch::tensor({0.0F, 1.0F}).expand({6, 2})));
  const at::Tensor x = torch::tensor({0.3}, torch::kFloat).expand({1, 2}).contiguous();
  const at::Tensor phi = ops::basis(x, lone->knots().slice(0, 0, 2), lone->bandwidth(), {lone->spec.kind});
  EXPECT_NEAR(phi[0][0][0].item<double>(), std::cos(3.0) * std::exp(-0.045), 1e-6);
  options.kind = "DoG", options.grid_size = 4, options.tau = 0.5;
  KanLayer four(2, 3, options, InitialDraws(Rng(5), "layer"));
  EXPECT_TRUE(torch::allclose(four->knots()[1], torch::tensor({-.75F, -.25F, .25F, .75F, .25F, .25F, .25F, .25F})));
}

TEST(Wavelets, AreNeverNarrowerThanAShareOfTheGrid) {
  KanLayer layer(2, 3, BasisOptions{.kind = "Morlet", .grid_size = 2, .grid_range = {-1, 1}},
                 InitialDraws(Rng(5), "layer"));
  {
    const torch::NoGradGuard no_grad;
    layer->scales.fill_(-3);
  }
  EXPECT_NEAR(layer->knots()[0][2].item<double>(), kMinTau, 1e-7);  // of parts 1 wide
  EXPECT_TRUE(layer->forward(torch::rand({5, 2})).isfinite().all().item<bool>());
}

TEST(TrainableKnots, ServeWhatNeedsNoGradient) {
  KanLayer layer = make_layer("B-spline");
  const at::Tensor x = inputs(20).requires_grad_(), pull = torch::ones({20, 4}, torch::kDouble);
  layer->forward(x).sum().backward();
  EXPECT_LE((FrozenKanLayer(layer).pullback(x.detach(), pull) - x.grad()).abs().max().item<double>(), 1e-10);
}

}  // namespace
}  // namespace kaem
