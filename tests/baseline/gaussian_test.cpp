// Baselines where the truth is known: N(0,I), and a decoder that is linear. Statistical bounds: 6 standard errors,
// about 200 comparisons, false-alarm rate below 1e-6.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <numbers>

#include "kaem/baseline/baselines.h"
#include "kaem/core/error.h"
#include "kaem/metrics/log_likelihood.h"
#include "kaem/model/model.h"
#include "kaem/objective/objective.h"
#include "kaem/posterior/posterior.h"
#include "kaem/prior/curves.h"
#include "kaem/prior/prior.h"

namespace kaem {
namespace {

using at::Tensor;

constexpr DataShape kShape = {1, 2, 3};

struct Made {
  BaselineOptions options;
  ModelOptions shared;
  PosteriorOptions posterior;
  ObjectiveOptions objective;
  Model model{nullptr};
};

Made make(const std::string& mode, const std::function<void(Made&)>& change, const DataShape& shape = kShape) {
  Made made;
  made.shared.generator.noise = 0;
  change(made);
  const BaselineRow& row = *find_baseline(mode);
  BaselineSettings settings{made.shared, made.posterior, made.objective};
  row.settle(made.options, settings);
  made.model = Model(row.model(made.options, made.shared, shape, Rng(4)));
  return made;
}

/// x = b + Wz + σε: dense layers without a hidden one.
Made linear_vae() {
  return make("baseline-vae", [](Made& m) {
    m.options.vae.decoder = "dense", m.options.vae.widths = {}, m.options.vae.latent_dim = 2;
    m.shared.generator.output_activation = "identity", m.shared.generator.sigma = 0.4;
  });
}

Tensor parameter(const Model& model, const std::string& end) {
  for (const auto& p : model->named_parameters())
    if (p.key().ends_with(end)) return p.value();
  ADD_FAILURE() << "no parameter " << end;
  return {};
}

/// log N(x; b, WWᵀ + σ²I), float64 [B].
Tensor exact_log_likelihood(const Made& made, const Tensor& x) {
  const at::NoGradGuard no_grad;
  const Tensor w = parameter(made.model, "dense0.weight").to(at::kDouble),
               b = parameter(made.model, "dense0.bias").to(at::kDouble);
  const double sigma = made.shared.generator.sigma;
  const Tensor covariance = w.matmul(w.t()) + sigma * sigma * at::eye(w.size(0), at::kDouble);
  const Tensor difference = (x.to(at::kDouble) - b);
  const Tensor quadratic = (difference.matmul(at::linalg_inv(covariance)) * difference).sum(1);
  return -0.5 * (quadratic + at::logdet(covariance) + static_cast<double>(w.size(0)) * std::log(2 * std::numbers::pi));
}

Tensor some_data(int64_t n) { return Rng(9).uniform(Stream::kTest, 0, {n, 6}); }

TEST(GaussianPrior, IsTheStandardNormal) {
  const at::NoGradGuard no_grad;
  const Made made = linear_vae();
  const auto view = made.model->prior->view();
  const Rng rng(2);
  constexpr int64_t kDraws = 40000;
  const Tensor z = view->sample(kDraws, rng, Stream::kTest, 3).to(at::kDouble);
  const double error = 1 / std::sqrt(static_cast<double>(kDraws));
  EXPECT_LE(z.mean(0).abs().max().item<double>(), 6 * error);
  EXPECT_LE((z.square().mean(0) - 1).abs().max().item<double>(), 6 * std::numbers::sqrt2 * error);
  EXPECT_LE(std::abs((z.select(1, 0) * z.select(1, 1)).mean().item<double>()), 6 * error);
  EXPECT_TRUE(view->sample(5, rng, Stream::kTest, 3, 7).equal(view->sample(12, rng, Stream::kTest, 3).slice(0, 7)));
  const Tensor at_points = at::tensor({0.0, 0.0, 1.0, -2.0}, at::kFloat).view({2, 2});
  const double zero = -std::log(2 * std::numbers::pi);
  EXPECT_NEAR(view->log_prob(at_points)[0].item<double>(), zero, 1e-6);
  EXPECT_NEAR(view->log_prob(at_points)[1].item<double>(), zero - 2.5, 1e-6);
  EXPECT_TRUE(view->score(at_points).equal(-at_points));
  const Tensor u = at::tensor({0.5, 0.975}, at::kFloat).view({1, 2});
  EXPECT_NEAR(view->distribution()->icdf(u)[0][1].item<double>(), 1.9599640, 1e-5);
  EXPECT_LE((view->distribution()->cdf(view->distribution()->icdf(u)) - u).abs().max().item<double>(), 1e-6);
  const PriorCurves curves = view->distribution()->curves(201);
  EXPECT_NEAR(at::trapezoid(curves.density.select(2, 0).select(1, 1), curves.z).item<double>(), 1, 1e-4);
}

TEST(Vae, EstimatesOfALinearOneAreTheClosedForm) {
  Made made = linear_vae();
  const Tensor x = some_data(8), exact = exact_log_likelihood(made, x);
  const auto sampled = metrics::importance_log_likelihood(*made.model, x, 100000, Rng(5));
  const metrics::PathOptions path{.levels = 200, .chains = 20};
  const auto annealed = metrics::annealed_log_likelihood(*made.model, x, path, Rng(5));
  for (const auto* estimate :
       {static_cast<const metrics::LogLikelihood*>(&sampled), static_cast<const metrics::LogLikelihood*>(&annealed)})
    for (int64_t b = 0; b < 8; ++b) {
      const double error = estimate->standard_error[b].item<double>();
      EXPECT_LE(error, 0.1);
      EXPECT_LE(std::abs((estimate->value[b] - exact[b]).item<double>()), 6 * error) << b;
    }
}

/// With the exact posterior in the encoder's place the bound is log p(x) for every draw. The dense encoder without a
/// hidden layer is linear, and so is the posterior's mean.
TEST(Vae, TheBoundOfTheExactEncoderIsTheEvidence) {
  Made made = make("baseline-vae", [](Made& m) {
    m.options.vae.decoder = "dense", m.options.vae.widths = {}, m.options.vae.latent_dim = 2;
    m.shared.generator.output_activation = "identity", m.shared.generator.sigma = 0.4;
  });
  const at::NoGradGuard no_grad;
  // Orthogonal columns make the posterior's covariance diagonal, as the encoder's is.
  const Tensor w = parameter(made.model, "dense0.weight");
  w.zero_();
  w[0][0] = 0.7, w[1][0] = -0.5, w[2][1] = 0.9, w[3][1] = 0.3;
  const double variance = 0.16;
  auto posterior = make_posterior(made.posterior, *made.model, {kShape, 8, 1, {}, at::kFloat}, Rng(4));
  const Tensor precision = 1 + w.square().sum(0) / variance, to_mean = w.t() / variance / precision.unsqueeze(1);
  for (auto& p : posterior->module()->named_parameters()) {
    if (p.key() == "moments_weight") {  // of 2x - 1
      p.value().zero_();
      p.value().slice(0, 0, 2).copy_(to_mean / 2);
    }
    if (p.key() == "moments_bias") {
      const Tensor b = parameter(made.model, "dense0.bias");
      p.value().slice(0, 0, 2).copy_(to_mean.matmul(at::full({6}, 0.5) - b));
      p.value().slice(0, 2).copy_(-0.5 * precision.log());
    }
  }
  const Tensor x = some_data(8);
  const ModelView view = made.model->view();
  const Particles particles = posterior->sample(view, {x, {}}, 0, Rng(7));
  const double loss = make_objective(made.objective)->evaluate(view, x, particles, 0, Rng(7)).total.item<double>();
  EXPECT_NEAR(-loss, exact_log_likelihood(made, x).mean().item<double>(), 2e-4);
}

Made small_pang() {
  return make("baseline-pang", [](Made& m) {
    m.options.pang.generator = "dense", m.options.pang.widths = {5}, m.options.pang.latent_dim = 2;
    m.options.pang.energy_widths = {6, 1};
  });
}

TEST(Pang, ScoreIsTheGradientOfTheDensity) {
  Made made = small_pang();
  made.model->to(at::kDouble);
  const Tensor z = Rng(3).normal(Stream::kTest, 0, {5, 2}, at::kDouble);
  const at::NoGradGuard no_grad;
  const auto view = made.model->prior->view();
  constexpr double kStep = 1e-5;
  const Tensor score = view->score(z);
  for (int64_t i = 0; i < 2; ++i) {
    Tensor step = at::zeros({2}, at::kDouble);
    step[i] = kStep;
    const Tensor slope = (view->log_prob(z + step) - view->log_prob(z - step)) / (2 * kStep);
    EXPECT_LE((slope - score.select(1, i)).abs().max().item<double>(), 1e-8);
  }
}

/// A constant energy leaves N(0,I), and log Z is the constant.
TEST(Pang, AConstantEnergyIsTheBase) {
  Made made = small_pang();
  const at::NoGradGuard no_grad;
  parameter(made.model, "prior.dense1.weight").zero_();
  parameter(made.model, "prior.dense1.bias").fill_(1.25);
  const auto log_z = metrics::annealed_log_normaliser(*made.model, {.levels = 20, .chains = 10}, Rng(3));
  EXPECT_NEAR(log_z.value.item<double>(), 1.25, 1e-5);
}

/// log Z of a bent energy against a sum over a grid.
TEST(Pang, LogNormaliserIsThatOfQuadrature) {
  Made made = small_pang();
  const at::NoGradGuard no_grad;
  for (const auto& p : made.model->prior->parameters()) p.mul_(3);
  const Tensor axis = at::linspace(-8, 8, 801, at::kDouble);
  const auto grid = at::meshgrid({axis, axis}, "ij");
  const Tensor points = at::stack({grid[0].flatten(), grid[1].flatten()}, 1).to(at::kFloat);
  const auto* tilted = made.model->prior->view()->tilted();
  ASSERT_NE(tilted, nullptr);
  const auto view = made.model->prior->view();
  const Tensor f = view->tilted()->tilt(points).first.to(at::kDouble);
  const Tensor base = -0.5 * points.to(at::kDouble).square().sum(1) - std::log(2 * std::numbers::pi);
  const double cell = 0.02 * 0.02, exact = (f + base).exp().sum().mul(cell).log().item<double>();
  const auto log_z = metrics::annealed_log_normaliser(*made.model, {.levels = 200, .chains = 1000}, Rng(3));
  EXPECT_LE(log_z.standard_error.item<double>(), 0.02);
  EXPECT_LE(std::abs(log_z.value.item<double>() - exact), 6 * log_z.standard_error.item<double>());
}

}  // namespace
}  // namespace kaem
