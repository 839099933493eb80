// Estimates of log p(x) and MBAR weights from samples whose distributions are known, the evidence bound by quadrature,
// and the penalties.
#include <iostream>

#include "kaem/core/error.h"
#include "kaem/objective/objective.h"
#include "kaem/posterior/encoder.h"
#include "kaem/prior/prior.h"
#include "support/small_models.h"

namespace kaem::test {
namespace {

/// ℓ of exact draws of each π_t for p(z) = N(0,1), ℓ(z) = -(z - 1)²/(2·0.3²): [data, count] at temperature t.
at::Tensor exact_levels(double t, int64_t data, int64_t count, int64_t step) {
  const double precision = 1 + t / 0.09, mean = t / 0.09 / precision;
  const at::Tensor z = mean + Rng(4).normal(Stream::kTest, step, {data, count}, torch::kDouble) / std::sqrt(precision);
  return -(z - 1).square() / 0.18;
}

struct Levels {
  at::Tensor zero, levels, temperature;
  double log_evidence;
};

Levels exact_samples(int64_t data, int64_t shared, int64_t chains) {
  const std::vector<double> t = {0.05, 0.2, 0.5, 1};
  std::vector<at::Tensor> parts;
  for (size_t k = 0; k < t.size(); ++k) parts.push_back(exact_levels(t[k], data, chains, static_cast<int64_t>(k) + 1));
  // ∫ N(z;0,1) exp ℓ = sqrt(.09/1.09) exp(-1/(2·1.09)).
  return {exact_levels(0, data, shared, 0), torch::stack(parts), torch::tensor(t, torch::kDouble),
          0.5 * std::log(0.09 / 1.09) - 1 / 2.18};
}

TEST(Evidence, EstimatesBracketTheExactValue) {
  const Levels l = exact_samples(200, 400, 400);
  const auto mean = [&](const char* name) {
    return evidence_estimate(name, l.zero, l.levels, l.temperature).mean().item<double>();
  };
  const at::Tensor ss = evidence_estimate("ss", l.zero, l.levels, l.temperature);
  // 200 data: 6 standard errors of the mean, and the Jensen bias of 400 samples (below .002).
  const double error = ss.std().item<double>() / std::sqrt(200.0);
  EXPECT_NEAR(ss.mean().item<double>(), l.log_evidence, 6 * error + 0.002);
  EXPECT_LT(mean("ti_left"), l.log_evidence);
  EXPECT_GT(mean("ti_right"), l.log_evidence);
  EXPECT_DOUBLE_EQ(mean("ti_trapezoid"), 0.5 * (mean("ti_left") + mean("ti_right")));
  EXPECT_THROW(evidence_estimate("stepping", l.zero, l.levels, l.temperature), ConfigError);
}

TEST(Evidence, SteppingStoneIsALowerBoundInExpectation) {
  const Levels few = exact_samples(20'000, 3, 2);
  const at::Tensor ss = evidence_estimate("ss", few.zero, few.levels, few.temperature);
  const double error = ss.std().item<double>() / std::sqrt(20'000.0);
  EXPECT_LT(ss.mean().item<double>(), few.log_evidence - 6 * error);
}

at::Tensor normals(int64_t step, at::IntArrayRef shape) {
  return Rng(8).normal(Stream::kTest, step, shape, torch::kDouble);
}

// With c_n = exp(ℓ_n) / w_n and Ẑ_k = Σ_n exp(t_k ℓ_n) / c_n the mixture Σ_k N_k exp(t_k ℓ_n) / Ẑ_k must be c_n again.
// One chain at each temperature: zero [B,S], levels [T,B,1].
void expect_self_consistent_weights(const at::Tensor& zero, const at::Tensor& levels, const std::vector<double>& t) {
  const at::Tensor temperature = torch::tensor(t, torch::kDouble);
  const auto [shared, own] = mbar_weights(zero, levels, temperature);
  const at::Tensor all = torch::cat({zero, levels.squeeze(2).t()}, 1),
                   weight = torch::cat({shared, own.squeeze(2).t()}, 1);
  EXPECT_TRUE((weight > 0).all().item<bool>());
  EXPECT_LT((weight.sum(1) - 1).abs().max().item<double>(), 1e-12);
  const int64_t count = temperature.size(0) + 1;
  const at::Tensor ladder = torch::cat({torch::zeros({1}, torch::kDouble), temperature}).view({1, count, 1});
  const at::Tensor log_c = all - weight.log(), tilted = ladder * all.unsqueeze(1);
  const at::Tensor log_z = (tilted - log_c.unsqueeze(1)).logsumexp(2, true);
  at::Tensor samples = torch::ones({count}, torch::kDouble);
  samples[0] = static_cast<double>(zero.size(1));
  const at::Tensor mixture = (samples.log().view({1, count, 1}) + tilted - log_z).logsumexp(1);
  EXPECT_LT((mixture - log_c).abs().max().item<double>(), 1e-5);
}

// As high-dimensional models have them, by the ladder t = (k/5)^4 and by an even one.
TEST(Mbar, WeightsAreSelfConsistentWhereLevelsHardlyOverlap) {
  const at::Tensor means = torch::tensor({-90, -60, -20, 15, 30}, torch::kDouble).view({5, 1, 1});
  for (const double scale : {0.1, 1.0}) {
    const at::Tensor zero = scale * (-250 + 60 * normals(0, {40, 300})),
                     levels = scale * (means + 12 * normals(1, {5, 40, 1}));
    expect_self_consistent_weights(zero, levels, {0.0016, 0.0256, 0.1296, 0.4096, 1});
    expect_self_consistent_weights(zero, levels, {0.2, 0.4, 0.6, 0.8, 1});
  }
}

// Chains that contradict their temperatures: the start by thermodynamic integration leaves level 1 no share of any
// sample.
TEST(Mbar, WeightsAreSelfConsistentWhereTheStartIsFarOff) {
  const at::Tensor means = torch::tensor({0, -640}, torch::kDouble).view({2, 1, 1});
  expect_self_consistent_weights(-320 + 4 * normals(0, {40, 300}), means + 4 * normals(1, {2, 40, 1}), {0.5, 1});
}

// Levels that are thousands apart: shares vanish to beyond float64's range, and so may weights.
TEST(Mbar, WeightsAreNumbersWhereLevelsAreThousandsApart) {
  const Levels l = exact_samples(30, 50, 1);
  const auto [shared, own] = mbar_weights(1e4 * l.zero, 1e4 * l.levels, l.temperature);
  EXPECT_TRUE(torch::allclose(shared.sum(1) + own.sum(2).sum(0), torch::ones({30}, torch::kDouble)));
  EXPECT_TRUE((shared >= 0).all().item<bool>() && (own >= 0).all().item<bool>());
}

TEST(Mbar, ValuesThatAreNoNumbersMakeNoWeights) {
  const Levels l = exact_samples(3, 5, 2);
  at::Tensor levels = l.levels.clone();
  levels[1][2][0] = std::nan("");
  const auto [shared, own] = mbar_weights(l.zero, levels, l.temperature);
  EXPECT_TRUE(shared[2].isnan().all().item<bool>());
  EXPECT_FALSE(shared.slice(0, 0, 2).isnan().any().item<bool>()) << "the other data have theirs";
}

TEST(Mbar, WeightsSumToOneAndGiveThePosteriorsMean) {
  const Levels l = exact_samples(300, 50, 20);
  const auto [shared, own] = mbar_weights(l.zero, l.levels, l.temperature);
  EXPECT_EQ(shared.sizes(), (std::vector<int64_t>{300, 50}));
  EXPECT_EQ(own.sizes(), (std::vector<int64_t>{4, 300, 20}));
  EXPECT_TRUE(torch::allclose(shared.sum(1) + own.sum(2).sum(0), torch::ones({300}, torch::kDouble)));
  // E[ℓ] at t = 1 from all levels, and from the last alone: same mean, less spread.
  const at::Tensor all = (shared * l.zero).sum(1) + (own * l.levels).sum(2).sum(0), last = l.levels[3].mean(1);
  const double precision = 1 + 1 / 0.09, shift = 1 / 0.09 / precision - 1;
  const double exact = -(1 / precision + shift * shift) / 0.18;
  EXPECT_NEAR(all.mean().item<double>(), exact, 6 * all.std().item<double>() / std::sqrt(300.0) + 0.01);
  EXPECT_LT(all.std().item<double>(), last.std().item<double>());
}

TEST(Mbar, PermutesWithTheData) {
  const Levels l = exact_samples(5, 7, 3);
  const at::Tensor order = torch::tensor({3, 0, 4, 1, 2}, torch::kLong);
  const auto [shared, own] = mbar_weights(l.zero, l.levels, l.temperature);
  const auto [shared2, own2] =
      mbar_weights(l.zero.index_select(0, order), l.levels.index_select(1, order), l.temperature);
  EXPECT_TRUE(torch::allclose(shared.index_select(0, order), shared2, 1e-6, 1e-9));
  EXPECT_TRUE(torch::allclose(own.index_select(1, order), own2, 1e-6, 1e-9));
}

TEST(Variational, GradientIsThatOfTheBoundByQuadrature) {
  // One latent coordinate: the noise is integrated by a fine midpoint rule, with the encoder's own graph.
  Model model = one_dimensional();
  PosteriorOptions options;
  options.sampler = "encoder", options.encoder.widths = {5}, options.encoder.activation = "tanh";
  options.chains_per_datum = 400;
  const at::Tensor x = torch::tensor({{0.3, -0.2}, {0.9, 0.5}}, torch::kDouble);
  const PosteriorContext context{model->shape, 0, 100, "", at::TensorOptions().dtype(torch::kDouble)};
  const auto posterior = make_posterior(options, *model, context, Rng(3));
  const auto encoder = std::dynamic_pointer_cast<EncoderImpl>(posterior->module());
  encoder->to(torch::kDouble);
  ObjectiveOptions objective_options;
  objective_options.criterion = "variational", objective_options.beta.beta = 0.7;
  const auto objective = make_objective(objective_options);

  constexpr int64_t kNodes = 4000;
  const at::Tensor noise = -8 + 16 * (torch::arange(kNodes, torch::kDouble) + 0.5) / kNodes;
  const at::Tensor weight = (-0.5 * noise.square()).softmax(0);
  const auto [z, log_q] = encoder->sample(x, noise.reshape({1, kNodes, 1, 1}).expand({2, kNodes, 1, 1}));
  at::Tensor bound = torch::zeros({}, torch::kDouble);
  for (int64_t b = 0; b < 2; ++b) {
    const at::Tensor terms =
        log_likelihood_at(*model, x.slice(0, b, b + 1), z[b]) + 0.7 * (model->prior->view()->log_prob(z[b]) - log_q[b]);
    bound = bound + 0.5 * (weight * terms).sum();
  }
  (-bound).backward();
  const at::Tensor exact = torch::cat({take_gradient(*model), take_gradient(*encoder)});

  std::vector<at::Tensor> draws;
  for (int64_t step = 0; step < 60; ++step) {
    const ModelView view = model->view();
    const Particles particles = posterior->sample(view, {x, {}}, step, Rng(3));
    objective->evaluate(view, x, particles, step, Rng(3)).total.backward();
    draws.push_back(torch::cat({take_gradient(*model), take_gradient(*encoder)}));
  }
  const at::Tensor all = torch::stack(draws), error = all.std(0) / std::sqrt(60.0);
  // About 70 coefficients at 6 standard errors.
  const at::Tensor deviation = ((all.mean(0) - exact).abs() - 1e-8) / (error + 1e-12);
  EXPECT_LT(deviation.max().item<double>(), 6);
  EXPECT_GT(exact.abs().max().item<double>(), 0.01);
}

TEST(Variational, BetaRisesInCycles) {
  const BetaOptions beta{.beta = 2, .cycles = 2, .cycle_length = 100, .annealing = 0.5};
  EXPECT_EQ(beta.at(0), 0);
  EXPECT_EQ(beta.at(25), 1);
  EXPECT_EQ(beta.at(50), 2);
  EXPECT_EQ(beta.at(99), 2);
  EXPECT_EQ(beta.at(100), 0);
  EXPECT_EQ(beta.at(200), 2);
  EXPECT_EQ((BetaOptions{.beta = 0.3}.at(0)), 0.3);
}

TEST(Penalty, IsWhatItsFormulaSays) {
  Model model = linear_gaussian(1);
  const KanLayer layer = generator_layer(*model);
  {
    const torch::NoGradGuard no_grad;
    layer->spline_weight.fill_(0.5);
  }
  const at::Tensor magnitude =
      (layer->base_weight.abs() + layer->spline_weight.abs() * layer->coefficients.abs().mean(1)).detach();
  const at::Tensor share = magnitude / magnitude.sum();
  const auto penalty = [&](double l1, double entropy, double coefficient, double difference) {
    const RegulariserOptions options{
        .total = 1, .l1 = l1, .entropy = entropy, .coefficient = coefficient, .difference = difference};
    return kan_penalty(*model->generator, options);
  };
  EXPECT_NEAR(penalty(1, 0, 0, 0).item<double>(), magnitude.sum().item<double>(), 1e-9);
  EXPECT_NEAR(penalty(0, 1, 0, 0).item<double>(), -(share * share.log()).sum().item<double>(), 1e-9);
  EXPECT_NEAR(penalty(0, 0, 1, 0).item<double>(), layer->coefficients.abs().mean().item<double>(), 1e-9);
  EXPECT_NEAR(penalty(0, 0, 0, 1).item<double>(), layer->coefficients.diff(1, 1).abs().mean().item<double>(), 1e-9);
  penalty(1, 1, 1, 1).backward();
  EXPECT_GT(layer->base_weight.grad().abs().min().item<double>(), 0);
}

}  // namespace
}  // namespace kaem::test
