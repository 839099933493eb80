#include <torch/types.h>

#include <numbers>

#include "kaem/core/error.h"
#include "kaem/model/model.h"
#include "kaem/objective/objective.h"
#include "kaem/posterior/encoder.h"
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

/// A model of one latent (Q = P = 1), five data, and integrals over z by quadrature.
struct OneLatent {
  OneLatent() {
    model->to(torch::kDouble);
    model->initialise_grids(Rng(1), 100);
    const torch::NoGradGuard no_grad;
    const auto [a, b] = model->prior->domain();
    const auto [nodes, weights] = gauss_legendre(64);
    z = (0.5 * (a + b) + 0.5 * (b - a) * torch::tensor(nodes, torch::kDouble)).reshape({-1, 1, 1});
    joint = (model->log_likelihood(x, z) + model->prior->view()->log_prob(z)).exp() *
            (0.5 * (b - a) * torch::tensor(weights, torch::kDouble));
  }

  static ModelOptions options() {
    ModelOptions o;
    o.prior.layer_widths = {1, 1};
    o.generator.widths = {1};
    o.generator.sigma = 0.5;
    return o;
  }

  /// E[value(z) | x_b]: values at the nodes, [B or 1, nodes] -> [B].
  at::Tensor posterior_mean(const at::Tensor& values) const { return (joint * values).sum(1) / joint.sum(1); }

  Model model = Model(options(), DataShape{1, 1, 2}, Rng(1));
  at::Tensor x = 2 * Rng(2).uniform(Stream::kTest, 0, {5, 2}, torch::kDouble);
  at::Tensor z;      ///< [nodes,1,1]
  at::Tensor joint;  ///< p(x_b,z) dz, [5, nodes]
};

// log p̂(x) by importance sampling against quadrature: |difference| within 6 standard errors of the estimate, 5 data:
// false-alarm rate 1e-8.
TEST(ImportanceSampling, EvidenceIsTheIntegral) {
  OneLatent one;
  const torch::NoGradGuard no_grad;
  Model& model = one.model;
  const at::Tensor& x = one.x;
  const at::Tensor exact = one.joint.sum(1).log();
  constexpr int64_t kSamples = 20'000;
  const at::Tensor draws = model->prior->view()->sample(kSamples, Rng(1), Stream::kTest, 0);
  const at::Tensor likelihood = model->log_likelihood(x, draws).exp();
  const at::Tensor error = likelihood.std(1) / likelihood.mean(1) / std::sqrt(static_cast<double>(kSamples));
  const Particles particles = make_posterior({.samples = kSamples, .resampler = "none"}, *model, {}, Rng(1))
                                  ->sample(model->view(), {x, {}}, 0, Rng(1));
  EXPECT_LE(((particles.info.log_evidence - exact).abs() / error).max().item<double>(), 6.0);
}

// Draws of a proposal, all of them and those that are kept, against quadrature: 4 numbers of 5 data, each within 6
// standard errors: false-alarm rate 4e-8. The encoder is one that nothing has trained: it is far from the posterior.
TEST(ProposalSampling, WeighsItsDrawsForThePosterior) {
  OneLatent one;
  constexpr int64_t kSamples = 20'000;
  PosteriorOptions options{.sampler = "proposal", .samples = kSamples};
  options.kept_draws = kSamples, options.encoder.widths = {4}, options.defensive_share = 0.25;
  const auto posterior = make_posterior(options, *one.model, {}, Rng(1));
  posterior->module()->to(torch::kDouble);
  const auto view = one.model->view();
  const Particles all = posterior->sample(view, {one.x, {}}, 0, Rng(1));
  const auto expect_near = [](const at::Tensor& got, const at::Tensor& expected, const at::Tensor& error) {
    EXPECT_LE(((got - expected).abs() / error).max().item<double>(), 6.0) << got << expected << error;
  };
  const torch::NoGradGuard no_grad;
  const at::Tensor weight = all.weighted->log_weight.exp(), z = all.weighted->z.flatten(2).squeeze(2);
  // log mean w: the error by the delta method, of a sum of two groups' means.
  const at::Tensor relative = weight * kSamples;
  expect_near(all.info.log_evidence, one.joint.sum(1).log(), relative.std(1) / std::sqrt(double{kSamples}));
  const at::Tensor mean = one.posterior_mean(one.z.reshape({1, -1}));
  const auto error_of = [&](const at::Tensor& values, const at::Tensor& center) {
    return (weight * (values - center.unsqueeze(1))).square().sum(1).sqrt();
  };
  expect_near((weight * z).sum(1), mean, error_of(z, mean));
  // What trains the encoder: E[log q(z|x) | x], q by the encoder itself at the nodes.
  auto* encoder = dynamic_cast<EncoderImpl*>(posterior->module().get());
  ASSERT_NE(encoder, nullptr);
  const at::Tensor at_nodes = encoder->log_prob(one.x, one.z.unsqueeze(0).expand({5, -1, 1, 1}));
  const at::Tensor log_q = one.posterior_mean(at_nodes);
  expect_near(all.encoder_log_q, log_q, error_of(encoder->log_prob(one.x, all.weighted->z), log_q));
  // Those that are kept have equal weights; stratified uniforms err less than independent ones.
  options.kept_draws = 4000;
  const auto few = make_posterior(options, *one.model, {}, Rng(1));
  few->module()->to(torch::kDouble);
  const Particles some = few->sample(view, {one.x, {}}, 1, Rng(1));
  ASSERT_EQ(some.weighted->z.sizes(), (std::vector<int64_t>{5, 4000, 1, 1}));
  const at::Tensor kept = some.weighted->z.flatten(1);
  const at::Tensor spread = kept.std(1) / std::sqrt(4000.0);
  expect_near(kept.mean(1), mean, (spread.square() + error_of(z, mean).square()).sqrt());
}

/// Weights stay below S/S_p p(x|z)/p(x), however wrong the encoder is.
TEST(ProposalSampling, BoundsItsWeightsByTheShareOfThePrior) {
  OneLatent one;
  PosteriorOptions options{.sampler = "proposal", .samples = 1000};
  options.kept_draws = 1000, options.encoder.widths = {4}, options.defensive_share = 0.1;
  const auto posterior = make_posterior(options, *one.model, {}, Rng(1));
  posterior->module()->to(torch::kDouble);
  const torch::NoGradGuard no_grad;
  for (auto& p : posterior->module()->parameters()) p.mul_(20);  // sure of itself, and wrong
  const Particles particles = posterior->sample(one.model->view(), {one.x, {}}, 0, Rng(1));
  const at::Tensor unnormalised =
      particles.weighted->log_weight + particles.info.log_evidence.unsqueeze(1) + std::log(1000.0);
  std::vector<at::Tensor> rows;
  for (int64_t b = 0; b < 5; ++b)
    rows.push_back(one.model->log_likelihood(one.x.slice(0, b, b + 1), particles.weighted->z[b])[0]);
  EXPECT_LE((unnormalised - at::stack(rows)).max().item<double>(), std::log(10.0) + 1e-9);
  EXPECT_GT((unnormalised - at::stack(rows)).max().item<double>(), std::log(10.0) - 0.5);
}

TEST(ProposalSampling, TrainsGeneratorPriorAndEncoder) {
  Model model = small_model();
  PosteriorOptions options{.sampler = "proposal", .samples = 20};
  const auto posterior = make_posterior(options, *model, {}, Rng(1));
  const at::Tensor x = data(4);
  const auto view = model->view();
  const Particles particles = posterior->sample(view, {x, {}}, 0, Rng(1));
  make_objective({})->evaluate(view, x, particles, 0, Rng(1)).total.backward();
  for (const torch::nn::Module* module : {static_cast<torch::nn::Module*>(&*model), posterior->module().get()})
    for (const auto& parameter : module->named_parameters()) {
      ASSERT_TRUE(parameter.value().grad().defined()) << parameter.key();
      EXPECT_GT(parameter.value().grad().abs().max().item<double>(), 0) << parameter.key();
    }
}

/// The gradient of the evidence bound in the encoder's parameters alone, against that of the bound written down anew.
TEST(ProposalSampling, ItsEncoderFollowsTheEvidenceBoundToo) {
  Model model = small_model();
  const at::Tensor x = data(4);
  const auto view = model->view();
  const auto gradients = [&](double weight) {
    PosteriorOptions options{.sampler = "proposal", .samples = 20};
    options.encoder.bound_weight = weight;
    const auto posterior = make_posterior(options, *model, {}, Rng(1));
    const Particles particles = posterior->sample(view, {x, {}}, 5, Rng(1));
    EXPECT_EQ(particles.encoder_bound.defined(), weight > 0);
    at::Tensor loss = -particles.encoder_log_q.mean();
    if (weight > 0) loss = loss - particles.encoder_bound.mean();
    loss.backward();
    for (const auto& parameter : model->parameters()) EXPECT_FALSE(parameter.grad().defined());
    std::vector<at::Tensor> found;
    for (const auto& parameter : posterior->module()->parameters()) found.push_back(parameter.grad().clone());
    return found;
  };
  const auto without = gradients(0), with = gradients(2);
  const auto posterior = make_posterior({.sampler = "proposal", .samples = 20}, *model, {}, Rng(1));
  auto& encoder = dynamic_cast<EncoderImpl&>(*posterior->module());
  const auto [z, log_q] = encoder.sample(x, Rng(1).normal(Stream::kBound, 5, {4, 1, 3, 2}));
  const at::Tensor generated = model->generate_raw(z.flatten(0, 1));
  const at::Tensor error = (x - model->likelihood->activate(generated)).square().sum(1);
  // The Gaussian's constant has no gradient; the generator's parameters take part and are not looked at.
  const at::Tensor log_likelihood = -error / (2 * 0.3 * 0.3);
  const at::Tensor log_prior = view.prior->weighted_log_prob(z.flatten(0, 1), torch::ones({4}), Rng(1), 5);
  (-(2.0 / 4) * (log_likelihood.sum() + log_prior - log_q.sum())).backward();
  size_t i = 0;
  for (const auto& parameter : encoder.parameters()) {
    EXPECT_TRUE(torch::allclose(with[i] - without[i], parameter.grad(), 1e-3, 1e-4)) << i;
    EXPECT_GT(parameter.grad().abs().max().item<double>(), 0);
    ++i;
  }
}

TEST(Model, RefusesAGeneratorThatDoesNotFit) {
  ModelOptions options;
  options.prior.layer_widths = {2, 3};
  options.generator.widths = {4, 5};
  EXPECT_THROW(Model(options, DataShape{1, 2, 2}, Rng(1)), ConfigError);
}

}  // namespace
}  // namespace kaem::test
