#include "kaem/kan/layer.h"

#include <gtest/gtest.h>
#include <torch/types.h>

#include <cmath>

#include "kaem/core/str.h"

namespace kaem {
namespace {

KanLayer make_layer(const std::string& kind, const std::string& activation = "silu",
                    at::ScalarType dtype = torch::kDouble) {
  KanLayer layer(3, 4, BasisOptions{.kind = kind, .grid_size = 8, .activation = activation, .eps_scale = 2},
                 InitialDraws(Rng(5), "layer"));
  layer->to(dtype);
  const torch::NoGradGuard no_grad;
  layer->coefficients.copy_(Rng(6).normal(Stream::kTest, 0, layer->coefficients.sizes()));
  return layer;
}

at::Tensor inputs(int64_t n, double scale, at::ScalarType dtype = torch::kDouble) {
  return scale * (2 * Rng(8).uniform(Stream::kTest, 1, {n, 3}, dtype) - 1);
}

class LayerOfBasis : public ::testing::TestWithParam<std::string> {};

TEST_P(LayerOfBasis, IsTheSumOfItsEdges) {
  KanLayer layer = make_layer(GetParam());
  const at::Tensor x = inputs(5, 1.1), y = layer->forward(x);
  const at::Tensor phi =
      ops::reference::basis(x, layer->knots(), layer->tau, {layer->spec.kind, 3, ops::Activation::kNone});
  for (int64_t n = 0; n < 5; ++n)
    for (int64_t o = 0; o < 4; ++o) {
      double sum = 0;
      for (int64_t i = 0; i < 3; ++i) {
        const double v = x[n][i].item<double>(), silu = v / (1 + std::exp(-v));
        const double spline = (phi[n][i] * layer->coefficients[i].select(1, o)).sum().item<double>();
        sum += layer->base_weight[i][o].item<double>() * silu + layer->spline_weight[i][o].item<double>() * spline;
      }
      EXPECT_NEAR(y[n][o].item<double>(), sum, 1e-12);
    }
}

TEST_P(LayerOfBasis, InputGradientIsThatOfDifferences) {
  KanLayer layer = make_layer(GetParam());
  const at::Tensor x = inputs(6, 1.1), pull = Rng(9).normal(Stream::kTest, 2, {6, 4}, torch::kDouble);
  const at::Tensor gradient = FrozenKanLayer(layer).pullback(x, pull);
  const torch::NoGradGuard no_grad;
  EXPECT_LE((FrozenKanLayer(layer).forward(x) - layer->forward(x)).abs().max().item<double>(), 1e-12);
  constexpr double kStep = 1e-6;
  for (int64_t i = 0; i < 3; ++i) {
    at::Tensor up = x.clone(), down = x.clone();
    up.select(1, i).add_(kStep), down.select(1, i).sub_(kStep);
    const at::Tensor slope = ((layer->forward(up) - layer->forward(down)) * pull).sum(1) / (2 * kStep);
    EXPECT_LE((gradient.select(1, i) - slope).abs().max().item<double>(),
              1e-6 * (1 + gradient.abs().max().item<double>()));
  }
}

/// Relative RMS difference of the layer's spline part before and after.
double relative_difference(const at::Tensor& before, const at::Tensor& after) {
  return ((after - before).norm() / before.norm()).item<double>();
}

TEST_P(LayerOfBasis, UnchangedKnotsGiveTheCurveBack) {
  KanLayer layer = make_layer(GetParam(), "none");
  const at::Tensor x = inputs(300, 1.2);
  const at::Tensor before = layer->forward(x);
  const at::Tensor fresh =
      refit_coefficients(x, layer->knots(), layer->knots(), layer->tau, layer->coefficients, layer->spec, 1e-4);
  const torch::NoGradGuard no_grad;
  layer->coefficients.copy_(fresh);
  EXPECT_LE(relative_difference(before, layer->forward(x)), 1e-3);
}

TEST_P(LayerOfBasis, MovedKnotsGiveTheRidgeOptimum) {
  KanLayer layer = make_layer(GetParam(), "none");
  const at::Tensor x = inputs(200, 1.2);
  at::Tensor moved = layer->knots().detach().clone();
  if (ops::is_wavelet(layer->spec.kind)) {  // translations, which need no order; scales stay
    const torch::NoGradGuard no_grad;
    moved.slice(1, 0, 8).add_(0.05 * Rng(4).normal(Stream::kTest, 3, {3, 8}, torch::kDouble));
  } else {
    moved.slice(1, 1, -1).add_(0.05 * Rng(4).normal(Stream::kTest, 3, {3, 7}, torch::kDouble));
    moved = std::get<0>(moved.sort(1));
  }
  constexpr double kRidge = 1e-2;
  const at::Tensor fresh =
      refit_coefficients(x, layer->knots(), moved, layer->tau, layer->coefficients, layer->spec, kRidge);
  // An independent solver: least squares of the system with sqrt(ridge) I below it, by QR.
  const at::Tensor old_phi = ops::reference::basis(x, layer->knots(), layer->tau, layer->spec);
  const at::Tensor new_phi = ops::reference::basis(x, moved, layer->tau, layer->spec);
  for (int64_t i = 0; i < 3; ++i) {
    const int64_t functions = new_phi.size(2);
    const at::Tensor a = torch::cat({new_phi.select(1, i), std::sqrt(kRidge) * torch::eye(functions, torch::kDouble)});
    const at::Tensor target = old_phi.select(1, i).matmul(layer->coefficients[i]).detach();
    const at::Tensor b = torch::cat({target, torch::zeros({functions, 4}, torch::kDouble)});
    const auto [q, r] = torch::linalg_qr(a);
    const at::Tensor optimum = torch::linalg_solve_triangular(r, q.t().matmul(b), /*upper=*/true);
    EXPECT_LE((fresh[i] - optimum).abs().max().item<double>(), 1e-8 * (1 + optimum.abs().max().item<double>()));
  }
}

TEST_P(LayerOfBasis, GridUpdateKeepsTheCurves) {
  KanLayer layer = make_layer(GetParam());
  // Smooth curves, as training leaves them: noise at the scale of the knots cannot be kept when they move.
  {
    const torch::NoGradGuard no_grad;
    layer->coefficients.copy_(torch::linspace(0, 1, layer->coefficients.size(1), torch::kDouble)
                                  .reshape({1, -1, 1})
                                  .expand_as(layer->coefficients));
  }
  const at::Tensor x = inputs(500, 1.0).pow(3);  // crowded near 0
  // The curves themselves: their sums, with the base branch, may cancel.
  const auto curves = [&] {
    const ops::BasisSpec functions = {layer->spec.kind, layer->spec.degree, ops::Activation::kNone};
    const at::Tensor phi = ops::reference::basis(x, layer->knots(), layer->bandwidth(), functions);
    return torch::einsum("nif,ifo->nio", {phi, layer->coefficients}).detach();
  };
  const at::Tensor before = curves(), old_knots = layer->knots().clone();
  const GridUpdate done = layer->update_grid(x, /*keep_ends=*/true);
  EXPECT_LE(relative_difference(before, curves()), 0.0101);
  if (!has_movable_knots(layer->spec.kind)) {
    EXPECT_EQ(done.moved + done.skipped, 0);
    return;
  }
  EXPECT_EQ(done.moved + done.skipped, 1);
  EXPECT_EQ(done.moved == 1, !torch::equal(layer->knots(), old_knots));
  EXPECT_TRUE(torch::equal(layer->knots().select(1, 0), old_knots.select(1, 0)));
  EXPECT_TRUE(torch::equal(layer->knots().select(1, -1), old_knots.select(1, -1)));
  EXPECT_GT(layer->knots().diff(1, 1).min().item<double>(), 0);
}

TEST_P(LayerOfBasis, InitialGridCoversTheInputs) {
  KanLayer layer = make_layer(GetParam());
  const at::Tensor x = inputs(400, 13.0);
  layer->initialise_grid(x, /*keep_ends=*/false);
  EXPECT_TRUE((layer->ends_buffer().select(1, 0) <= std::get<0>(x.min(0)) + 1e-5).all().item<bool>());
  EXPECT_TRUE((layer->ends_buffer().select(1, -1) >= std::get<0>(x.max(0)) - 1e-5).all().item<bool>());
}

std::string test_name(const ::testing::TestParamInfo<std::string>& info) {
  std::string name = info.param;
  std::erase(name, '-');
  return name;
}

INSTANTIATE_TEST_SUITE_P(AllBases, LayerOfBasis, ::testing::ValuesIn(basis_names()), test_name);

TEST(GridUpdate, LeavesCurvesAloneThatItCannotKeep) {
  KanLayer layer = make_layer("RBF", "none");
  const torch::NoGradGuard no_grad;
  // Alternating coefficients on narrow functions: no moved grid can represent them.
  layer->tau.fill_(0.1);
  layer->coefficients.copy_(torch::tensor({1.0, -1.0}, torch::kDouble)
                                .repeat({5})
                                .slice(0, 0, 9)
                                .reshape({1, 9, 1})
                                .expand_as(layer->coefficients));
  const at::Tensor old_knots = layer->knots().clone(), old = layer->coefficients.clone();
  const GridUpdate done = layer->update_grid(inputs(500, 1.0).pow(3), true);
  EXPECT_EQ(done.skipped, 1);
  EXPECT_EQ(done.halved, 5);
  EXPECT_TRUE(torch::equal(layer->knots(), old_knots));
  EXPECT_TRUE(torch::equal(layer->coefficients, old));
}

TEST(GridUpdate, TakesMoreRowsThanQuantilesAreTakenOf) {
  KanLayer layer(1, 1, BasisOptions{.kind = "B-spline", .grid_size = 4, .update_ratio = 0},
                 InitialDraws(Rng(3), "layer"));
  const at::Tensor x = torch::linspace(0, 1, (int64_t{1} << 24) + 5).square().unsqueeze(1);
  layer->initialise_grid(x, /*keep_ends=*/false);
  // Quantiles of u², u uniform.
  const at::Tensor expected = torch::linspace(0, 1, 5, torch::kDouble).square();
  EXPECT_LE((layer->knots().to(torch::kDouble)[0] - expected).abs().max().item<double>(), 1e-4) << layer->knots();
}

TEST(GridUpdate, RepeatedInputsLeaveKnotsApart) {
  KanLayer layer = make_layer("B-spline");
  const at::Tensor x = torch::zeros({100, 3}, torch::kDouble);
  layer->update_grid(x, true);
  layer->initialise_grid(x, false);
  EXPECT_GT(layer->knots().diff(1, 1).min().item<double>(), 0);
  EXPECT_TRUE(layer->forward(x).isfinite().all().item<bool>());
}

// docs/mathematics.md section 1, "Initial values": variances within 6 standard errors (about 1/sqrt(n/2) relative).
TEST(Layer, StartsFromTheStatedDistributions) {
  KanLayer layer(60, 80, BasisOptions{.kind = "FFT", .grid_size = 5, .sigma_spline = 2}, InitialDraws(Rng(3), "layer"));
  const double variance = 2.0 / 140, error = 6 * std::sqrt(2.0 / 4800);
  EXPECT_NEAR(layer->spline_weight.var().item<double>() / (4 * variance), 1, error);
  const double base_factor = (1 + 1.0 / 3) / 60;  // E(μ + σU)² / I with μ = σ = 1
  EXPECT_NEAR(layer->base_weight.square().mean().item<double>() / (base_factor * variance), 1, 3 * error);
  for (int64_t g = 0; g < 11; ++g) {
    const double k = g > 5 ? static_cast<double>(g - 5) : static_cast<double>(g);
    const double expected = variance / 60 / std::pow(k + 1, 4);
    EXPECT_NEAR(layer->coefficients.select(1, g).square().mean().item<double>() / expected, 1, error) << g;
  }
}

}  // namespace
}  // namespace kaem
