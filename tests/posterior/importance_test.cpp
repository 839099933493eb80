#include <torch/types.h>

#include <numbers>

#include "kaem/core/error.h"
#include "kaem/model/model.h"
#include "kaem/objective/objective.h"
#include "kaem/posterior/posterior.h"
#include "kaem/prior/prior.h"
#include "support/random_model.h"

namespace kaem::test {
namespace {

Model small_model(double sigma = 0.3) {
  ModelOptions options;
  options.prior.layer_widths = {2, 3};
  options.generator.widths = {3, 4};
  options.generator.sigma = sigma;
  options.generator.noise = 0;
  Model model(options, DataShape{1, 2, 3}, Rng(1));
  model->initialise_grids(Rng(1), 100);
  return model;
}

at::Tensor data(int64_t n) { return Rng(2).uniform(Stream::kTest, 0, {n, 6}); }

TEST(Likelihood, IsTheGaussianWithItsConstant) {
  const auto likelihood = make_likelihood({.sigma = 0.4, .output_activation = "identity", .basis = {}});
  const at::Tensor x = data(3), xhat = Rng(2).uniform(Stream::kTest, 1, {5, 6});
  const at::Tensor got = likelihood->all_pairs(x, xhat);
  for (int64_t b = 0; b < 3; ++b)
    for (int64_t s = 0; s < 5; ++s) {
      const double distance = (x[b] - xhat[s]).to(torch::kDouble).square().sum().item<double>();
      const double expected = -distance / (2 * 0.16) - 3 * std::log(2 * std::numbers::pi * 0.16);
      EXPECT_NEAR(got[b][s].item<double>(), expected, 1e-4);
    }
}

TEST(Likelihood, MapsTanhToTheScaleOfTheData) {
  const auto likelihood = make_likelihood({.sigma = 1, .output_activation = "tanh", .basis = {}});
  const at::Tensor out = likelihood->activate(torch::tensor({-20.0F, 0.0F, 20.0F}));
  EXPECT_TRUE(torch::allclose(out, torch::tensor({0.0F, 0.5F, 1.0F})));
}

TEST(ImportanceSampling, WeightsAreTheSoftmaxOfTheLikelihood) {
  Model model = small_model();
  const auto posterior = make_posterior({.samples = 7, .resampler = "none"}, *model, {}, Rng(1));
  const at::Tensor x = data(4);
  const Particles particles = posterior->sample(model->view(), {x, {}}, 3, Rng(1));
  ASSERT_EQ(particles.weighted->z.sizes(), (std::vector<int64_t>{1, 7, 3, 2}));
  const at::Tensor log_likelihood = model->log_likelihood(x, particles.weighted->z[0]);
  EXPECT_TRUE(torch::allclose(particles.weighted->log_weight, log_likelihood.log_softmax(1), 1e-4, 1e-4));
  EXPECT_TRUE(torch::allclose(particles.info.log_evidence, log_likelihood.logsumexp(1) - std::log(7.0), 1e-4, 1e-4));
}

TEST(ImportanceSampling, ResamplesOnlyBelowTheThreshold) {
  const at::Tensor x = data(4);
  Model sharp = small_model(0.02), blunt = small_model(5.0);
  const PosteriorOptions options{.samples = 10, .resampler = "systematic"};
  const auto posterior = make_posterior(options, *sharp, {}, Rng(1));
  const at::Tensor sharp_counts = posterior->sample(sharp->view(), {x, {}}, 0, Rng(1)).weighted->log_weight.exp() * 10;
  EXPECT_TRUE(torch::allclose(sharp_counts, sharp_counts.round(), 0, 1e-4));
  const at::Tensor blunt_counts = posterior->sample(blunt->view(), {x, {}}, 0, Rng(1)).weighted->log_weight.exp() * 10;
  EXPECT_FALSE(torch::allclose(blunt_counts, blunt_counts.round(), 0, 1e-4));
  EXPECT_TRUE(torch::allclose(sharp_counts.sum(-1), torch::full({1, 4}, 10.0F), 1e-4));
}

TEST(ImportanceSampling, ItsParticlesTrainEveryParameter) {
  Model model = small_model();
  const auto posterior = make_posterior({.samples = 20}, *model, {}, Rng(1));
  const at::Tensor x = data(4);
  const Particles particles = posterior->sample(model->view(), {x, {}}, 0, Rng(1));
  const auto objective = make_objective({});
  const Terms terms = objective->evaluate(model->view(), x, particles, 0, Rng(1));
  terms.total.backward();
  for (const auto& parameter : model->named_parameters()) {
    ASSERT_TRUE(parameter.value().grad().defined()) << parameter.key();
    EXPECT_GT(parameter.value().grad().abs().max().item<double>(), 0) << parameter.key();
  }
}

TEST(Objective, IsTheWeightedJointDensity) {
  Model model = small_model();
  const auto posterior = make_posterior({.samples = 6, .resampler = "none"}, *model, {}, Rng(1));
  const at::Tensor x = data(4);
  const Particles particles = posterior->sample(model->view(), {x, {}}, 0, Rng(1));
  const at::Tensor z = particles.weighted->z[0], weight = particles.weighted->log_weight.exp();
  const at::Tensor expected =
      -(weight * (model->prior->view()->log_prob(z).unsqueeze(0) + model->log_likelihood(x, z))).sum(1).mean();
  const Terms terms = make_objective({})->evaluate(model->view(), x, particles, 0, Rng(1));
  EXPECT_NEAR(terms.total.item<double>(), expected.item<double>(), 1e-3);
}

// log p̂(x) by importance sampling against quadrature on a model of one latent (Q = P = 1): |difference| within 6
// standard errors of the estimate, 5 data: false-alarm rate 1e-8.
TEST(ImportanceSampling, EvidenceIsTheIntegral) {
  ModelOptions options;
  options.prior.layer_widths = {1, 1};
  options.generator.widths = {1};
  options.generator.sigma = 0.5;
  Model model(options, DataShape{1, 1, 2}, Rng(1));
  model->to(torch::kDouble);
  model->initialise_grids(Rng(1), 100);
  const torch::NoGradGuard no_grad;
  const auto [a, b] = model->prior->domain();
  const auto [nodes, weights] = gauss_legendre(64);
  const at::Tensor z = 0.5 * (a + b) + 0.5 * (b - a) * torch::tensor(nodes, torch::kDouble);
  const at::Tensor w = 0.5 * (b - a) * torch::tensor(weights, torch::kDouble);
  const at::Tensor x = 2 * Rng(2).uniform(Stream::kTest, 0, {5, 2}, torch::kDouble);
  const at::Tensor column = z.reshape({-1, 1, 1});
  const at::Tensor exact =
      ((model->log_likelihood(x, column) + model->prior->view()->log_prob(column)).exp() * w).sum(1).log();
  constexpr int64_t kSamples = 20'000;
  const at::Tensor draws = model->prior->view()->sample(kSamples, Rng(1), Stream::kTest, 0);
  const at::Tensor likelihood = model->log_likelihood(x, draws).exp();
  const at::Tensor error = likelihood.std(1) / likelihood.mean(1) / std::sqrt(static_cast<double>(kSamples));
  const Particles particles = make_posterior({.samples = kSamples, .resampler = "none"}, *model, {}, Rng(1))
                                  ->sample(model->view(), {x, {}}, 0, Rng(1));
  EXPECT_LE(((particles.info.log_evidence - exact).abs() / error).max().item<double>(), 6.0);
}

TEST(Model, RefusesAGeneratorThatDoesNotFit) {
  ModelOptions options;
  options.prior.layer_widths = {2, 3};
  options.generator.widths = {4, 5};
  EXPECT_THROW(Model(options, DataShape{1, 2, 2}, Rng(1)), ConfigError);
}

}  // namespace
}  // namespace kaem::test
