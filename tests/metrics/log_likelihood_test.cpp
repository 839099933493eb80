// log p(x) of a linear-Gaussian model, where it is known: each estimate within 6 of its standard errors at 10 data
// points, standard errors at most .05 nats. 60 comparisons at 6 standard errors: false-alarm rate about 1e-6 where the
// errors are Gaussian.
#include "kaem/metrics/log_likelihood.h"

#include <iomanip>
#include <iostream>

#include "kaem/core/error.h"
#include "kaem/prior/prior.h"
#include "support/small_models.h"

namespace kaem::test {
namespace {

using metrics::LogLikelihood;

constexpr double kMostError = 0.05, kSigmas = 6;

class LogLikelihoodOf : public ::testing::TestWithParam<double> {
 protected:
  void SetUp() override {
    std::tie(x, z) = linear_data(*model, 10);
    exact = exact_log_likelihood(*model, x);
  }

  void expect_right(const char* name, const LogLikelihood& estimate) {
    std::cout << name << ", sigma " << GetParam() << "\n  exact    estimate  s.e.     ratio\n" << std::fixed;
    for (int64_t b = 0; b < exact.size(0); ++b) {
      const double truth = exact[b].item<double>(), value = estimate.value[b].item<double>(),
                   error = estimate.standard_error[b].item<double>();
      std::cout << std::setprecision(4) << std::setw(9) << truth << std::setw(10) << value << std::setw(9) << error
                << std::setw(8) << std::setprecision(2) << (value - truth) / error << "\n";
      EXPECT_LE(error, kMostError) << b;
      EXPECT_GT(error, 0) << b;
      EXPECT_LE(std::abs(value - truth), kSigmas * error) << b;
    }
  }

  Model model = linear_gaussian(GetParam());
  at::Tensor x, z, exact;
  Rng rng{3};
};

TEST_P(LogLikelihoodOf, QuadratureOfTheTestsIsTheClosedForm) {
  const at::Tensor by_grid = quadrature_log_likelihood(*model, x).detach();
  EXPECT_LE((by_grid - exact).abs().max().item<double>(), 1e-5);
}

TEST_P(LogLikelihoodOf, ImportanceSampling) {
  const auto estimate = metrics::importance_log_likelihood(*model, x, 100'000, rng);
  EXPECT_GE(estimate.ess.min().item<double>(), 100);
  expect_right("importance sampling", estimate);
}

TEST_P(LogLikelihoodOf, SteppingStone) {
  const metrics::SteppingStoneOptions options{
      .kernel = "mala", .levels = 10, .chains = 100, .warmup = 140, .steps = 100, .step_size = 0.03};
  const auto estimate = metrics::stepping_stone_log_likelihood(*model, x, options, rng);
  expect_right("stepping stone", estimate.ss);
  // Sums of thermodynamic integration bracket the exact value (up to their own errors).
  EXPECT_TRUE((estimate.left - kSigmas * estimate.left_error <= exact).all().item<bool>());
  EXPECT_TRUE((estimate.right + kSigmas * estimate.right_error >= exact).all().item<bool>());
  EXPECT_TRUE((estimate.left < estimate.right).all().item<bool>());
  EXPECT_GT(estimate.swap_rate.min().item<double>(), 0.3);
}

metrics::PathOptions path(const std::string& kernel) {
  return {.kernel = kernel, .levels = 250, .power = 3, .chains = 160, .step_size = 0.05};
}

TEST_P(LogLikelihoodOf, AnnealedImportanceSampling) {
  for (const char* kernel : {"mala", "pcnl"})
    expect_right(kernel, metrics::annealed_log_likelihood(*model, x, path(kernel), rng));
}

TEST_P(LogLikelihoodOf, BidirectionalMonteCarloBracketsIt) {
  // Few temperatures, so that both bounds are loose, with many chains: their means bracket the exact mean.
  metrics::PathOptions options = path("mala");
  options.levels = 12, options.chains = 20;
  const auto forward = metrics::annealed_log_likelihood(*model, x, options, rng);
  const auto reverse = metrics::reverse_annealed_log_likelihood(*model, x, z, options, rng);
  const double below = (forward.value - exact).mean().item<double>(),
               above = (reverse.value - exact).mean().item<double>();
  std::cout << "BDMC, sigma " << GetParam() << ": mean below " << below << ", above " << above << "\n";
  const double error = std::sqrt(forward.standard_error.square().mean().item<double>() / 10);
  EXPECT_LE(below, kSigmas * error);
  EXPECT_GE(above, -kSigmas * error);
  EXPECT_LT(below, above);
}

INSTANTIATE_TEST_SUITE_P(Sigma, LogLikelihoodOf, ::testing::Values(1.0, 0.3), [](const auto& info) {
  return info.param == 1.0 ? std::string("Wide") : std::string("Narrow");
});

/// A deep prior on two coordinates, whose normaliser a grid gives.
Model deep_model(const std::string& reference) {
  ModelOptions options;
  options.prior.layer_widths = {2, 3, 1};
  options.prior.reference = reference;
  options.prior.basis = {.kind = "RBF", .grid_size = 4, .grid_range = {-2, 2}};
  options.generator.widths = {2}, options.generator.noise = 0, options.generator.sigma = 0.5;
  options.generator.output_activation = "identity";
  options.generator.basis = {.kind = "RBF", .grid_size = 4, .grid_range = {-2, 2}, .activation = "identity"};
  Model model(options, DataShape{1, 2, 2}, Rng(5));
  model->to(torch::kDouble);
  const torch::NoGradGuard no_grad;
  int64_t part = 0;
  for (auto& p : model->named_parameters())
    p.value().add_(0.5 * Rng(6).normal(Stream::kTest, part++, p.value().sizes(), torch::kDouble));
  return model;
}

TEST(LogLikelihoodMethods, DeepPriorsTakeTheirNormaliserOff) {
  for (const std::string reference : {"gaussian", "ebm", "lognormal"}) {
    SCOPED_TRACE(reference);
    Model model = deep_model(reference);
    const torch::NoGradGuard no_grad;
    auto [a, b] = model->prior->domain();
    if (!std::isfinite(a)) a = -8, b = 8;
    constexpr int64_t kPoints = 600;
    const double width = (b - a) / kPoints;
    const at::Tensor line = a + width * (torch::arange(kPoints, torch::kDouble) + 0.5);
    const at::Tensor z = torch::cartesian_prod({line, line});
    // Of p0 exp(f), p0 normalised: what annealing from p0 estimates.
    const at::Tensor log_prior =
        model->prior->view()->tilted()->base_density(z).first + model->prior->view()->tilted()->tilt(z).first;
    const double log_z = log_prior.logsumexp(0).item<double>() + 2 * std::log(width);
    EXPECT_NEAR(
        (model->prior->view()->tilted()->base_density(z).first.logsumexp(0).item<double>() + 2 * std::log(width)), 0,
        1e-3);
    const metrics::PathOptions options{.kernel = "mala", .levels = 80, .power = 2, .chains = 100, .step_size = 0.1};
    const auto estimate = metrics::annealed_log_normaliser(*model, options, Rng(3));
    EXPECT_NEAR(estimate.value.item<double>(), log_z, kSigmas * estimate.standard_error.item<double>() + 1e-3);
    const at::Tensor x = 0.3 * Rng(9).normal(Stream::kTest, 0, {3, 4}, torch::kDouble);
    const auto of_data = metrics::annealed_log_likelihood(*model, x, options, Rng(3));
    for (int64_t i = 0; i < 3; ++i) {
      const at::Tensor joint = log_prior + log_likelihood_at(*model, x.slice(0, i, i + 1), z);
      const double exact = joint.logsumexp(0).item<double>() + 2 * std::log(width) - log_z;
      EXPECT_NEAR(of_data.value[i].item<double>(), exact, kSigmas * of_data.standard_error[i].item<double>() + 1e-3);
    }
  }
}

TEST(LogLikelihoodMethods, RefuseWhatTheyCannotDo) {
  Model model = linear_gaussian(1);
  const at::Tensor x = linear_data(*model, 2).first;
  EXPECT_THROW(metrics::annealed_log_likelihood(*model, x, {.kernel = "ula"}, Rng(1)), UsageError);
  EXPECT_THROW(metrics::stepping_stone_log_likelihood(*model, x, {.chains = 1}, Rng(1)), UsageError);
}

// The first datum's pass for a draw differs from the second's, so that nothing may be shared between them. More draws
// than fit into a chunk.
TEST(LogLikelihoodOfWords, AnAutoregressiveGeneratorMakesAPassForEachDatum) {
  const torch::NoGradGuard no_grad;
  constexpr int64_t kLength = 4, kDraws = 1500;
  ModelOptions options;
  options.prior.layer_widths = {1, 2};
  options.generator.likelihood = "categorical";
  options.generator.seq = {.sequence_length = kLength, .vocab_size = 6, .d_model = 8, .autoregressive = true};
  Model model(options, DataShape{1, 1, kLength}, Rng(2));
  const at::Tensor x = at::tensor({2.0f, 3.0f, 1.0f, -1.0f, 5.0f, 4.0f, 3.0f, 2.0f}).view({2, kLength});
  const auto estimate = metrics::importance_log_likelihood(*model, x, kDraws, Rng(3));
  const at::Tensor u = model->prior->features(model->prior->view()->sample(kDraws, Rng(3), Stream::kEvaluate, 0));
  for (int64_t b = 0; b < 2; ++b) {
    const at::Tensor log_p = model->generator->forward_given(u, x[b].unsqueeze(0).expand({kDraws, kLength}))
                                 .reshape({kDraws, kLength, 6})
                                 .to(at::kDouble)
                                 .log_softmax(-1);
    at::Tensor sum = at::zeros({kDraws}, at::kDouble);
    for (int64_t l = 0; l < kLength; ++l)
      if (const auto word = x[b][l].item<int64_t>(); word >= 0) sum += log_p.select(1, l).select(1, word);
    const double expected = sum.logsumexp(0).item<double>() - std::log(static_cast<double>(kDraws));
    EXPECT_NEAR(estimate.value[b].item<double>(), expected, 1e-5);
    EXPECT_GT(estimate.ess[b].item<double>(), 1);
  }
}

}  // namespace
}  // namespace kaem::test
