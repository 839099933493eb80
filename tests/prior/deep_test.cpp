// The deep prior: its score, its Langevin draws where the target is known, and its contrastive gradient.
#include <map>

#include "kaem/core/error.h"
#include "kaem/prior/prior.h"
#include "support/kolmogorov.h"
#include "support/random_model.h"

namespace kaem::test {
namespace {

struct DeepCase {
  std::string basis = "RBF", reference = "gaussian";
  bool layernorm = false;
  at::ScalarType dtype = torch::kDouble;
  double noise = 0.3;  ///< added to every parameter; 0: a network of zeros
  int64_t iters = 60;
  double step_size = 0.16;
};

std::shared_ptr<Prior> deep_prior(const DeepCase& c) {
  PriorOptions options;
  options.layer_widths = {3, 5, 4, 2};
  options.reference = c.reference;
  options.layernorm = c.layernorm;
  options.deep = {.step_size = c.step_size, .iters = c.iters};
  options.basis = {.kind = c.basis, .grid_size = 6};
  auto prior = make_prior(options, Rng(3));
  prior->initialise_grid();
  prior->to(c.dtype);
  const torch::NoGradGuard no_grad;
  int64_t part = 0;
  for (auto& p : prior->named_parameters()) {
    const at::Tensor noise = Rng(5).normal(Stream::kTest, part++, p.value().sizes(), p.value().options());
    if (c.noise > 0) p.value().add_(c.noise * noise);
    if (c.noise == 0 && p.key().find("_weight") != std::string::npos) p.value().zero_();
  }
  return prior;
}

const std::vector<std::string> kReferences = {"ebm", "uniform", "gaussian", "lognormal", "learnable_gaussian"};

TEST(DeepPrior, ScoreIsTheGradientByAutograd) {
  for (const auto& basis : basis_names())
    for (const auto& reference : kReferences)
      for (const bool layernorm : {false, true}) {
        SCOPED_TRACE(str(basis, " ", reference, layernorm ? " layernorm" : ""));
        const auto prior = deep_prior({.basis = basis, .reference = reference, .layernorm = layernorm, .iters = 0});
        at::Tensor z = prior->view()->sample(20, Rng(2), Stream::kTest, 0).clone().requires_grad_();
        prior->view()->log_prob(z).sum().backward();
        const at::Tensor score = prior->view()->score(z.detach());
        EXPECT_LE((score - z.grad()).abs().max().item<double>(), 1e-9 * (1 + score.abs().max().item<double>()));
        EXPECT_GT(score.abs().max().item<double>(), 1e-3);
      }
}

// A network of zeros leaves π0. From a Gaussian, ULA's k-th step is exactly N(0, v_k), v_{k+1} = (1-η)² v_k + 2η; on a
// box a flat density stays flat. 5 tests of 10^4 draws, 3 coordinates: false-alarm rate 1e-6 in all.
TEST(DeepPrior, DrawsFollowTheReferenceDensityWithoutEnergy) {
  constexpr double kAlarm = 1e-6 / 15;
  const auto gaussian = deep_prior({.reference = "gaussian", .noise = 0});
  double variance = 1;
  for (int k = 0; k < 60; ++k) variance = (1 - 0.16) * (1 - 0.16) * variance + 0.32;
  at::Tensor z = gaussian->view()->sample(10'000, Rng(7), Stream::kTest, 0);
  for (int64_t i = 0; i < 3; ++i)
    EXPECT_GT(kolmogorov_p(torch::special_ndtr(z.select(1, i) / std::sqrt(variance))), kAlarm);
  for (const auto& [name, low, high] : {std::tuple("ebm", -1.2, 1.2), std::tuple("uniform", 0.0, 1.0)}) {
    z = deep_prior({.reference = name, .noise = 0})->view()->sample(10'000, Rng(7), Stream::kTest, 0);
    for (int64_t i = 0; i < 3; ++i) EXPECT_GT(kolmogorov_p((z.select(1, i) - low) / (high - low)), kAlarm) << name;
  }
  // π0 itself, where the chains start.
  z = deep_prior({.reference = "lognormal", .noise = 0, .iters = 0})->view()->sample(10'000, Rng(7), Stream::kTest, 0);
  const at::Tensor ends = torch::special_ndtr(torch::tensor({-6.0, std::log(4.0)}, torch::kDouble));
  for (int64_t i = 0; i < 3; ++i)
    EXPECT_GT(kolmogorov_p((torch::special_ndtr(z.select(1, i).log()) - ends[0]) / (ends[1] - ends[0])), kAlarm);
  const auto learnable = deep_prior({.reference = "learnable_gaussian", .noise = 0, .iters = 0});
  {
    const torch::NoGradGuard no_grad;
    for (auto& p : learnable->named_parameters()) {
      if (p.key() == "reference.mean") p.value().fill_(0.7);
      if (p.key() == "reference.log_scale") p.value().fill_(std::log(0.5));
    }
  }
  z = learnable->view()->sample(10'000, Rng(7), Stream::kTest, 0);
  for (int64_t i = 0; i < 3; ++i) EXPECT_GT(kolmogorov_p(torch::special_ndtr((z.select(1, i) - 0.7) / 0.5)), kAlarm);
}

TEST(DeepPrior, ReflectionKeepsDrawsInTheBox) {
  for (const auto& reference : {"ebm", "uniform", "lognormal"})
    for (const auto dtype : {torch::kFloat, torch::kDouble}) {
      const auto prior = deep_prior({.reference = reference, .dtype = dtype, .noise = 2});
      const auto [a, b] = prior->domain();
      const at::Tensor z = prior->view()->sample(500, Rng(2), Stream::kTest, 0);
      EXPECT_TRUE(torch::logical_and(z >= a, z <= b).all().item<bool>());
      EXPECT_GT(z.std().item<double>(), 0);
      EXPECT_TRUE(std::isinf(prior->view()->log_prob(z + 10)[0].item<double>()));
    }
}

TEST(DeepPrior, ContrastiveGradientIsThatOfThePhases) {
  const auto prior = deep_prior({.reference = "learnable_gaussian", .layernorm = true});
  const at::Tensor z = Rng(8).normal(Stream::kTest, 0, {6, 3}, torch::kDouble);
  at::Tensor weight = Rng(4).uniform(Stream::kTest, 1, {6}, torch::kDouble);
  weight = weight / weight.sum();
  prior->view()->weighted_log_prob(z, weight, Rng(1), 3).backward();
  std::map<std::string, at::Tensor> gradients;
  for (auto& p : prior->named_parameters()) gradients[p.key()] = p.value().grad().clone();
  prior->zero_grad();
  const at::Tensor negative = prior->view()->sample(6, Rng(1), Stream::kNegative, 3, 0);
  ((weight * prior->view()->log_prob(z)).sum() - prior->view()->log_prob(negative).mean()).backward();
  for (auto& p : prior->named_parameters()) {
    EXPECT_TRUE(torch::allclose(gradients[p.key()], p.value().grad())) << p.key();
  }
  EXPECT_GT(gradients["layer0.coefficients"].abs().max().item<double>(), 1e-6);
}

TEST(DeepPrior, DrawsDependOnSeedStepAndIndexAlone) {
  const auto prior = deep_prior({.dtype = torch::kFloat});
  const at::Tensor z = prior->view()->sample(10, Rng(4), Stream::kTest, 2);
  EXPECT_FALSE(z.requires_grad());
  EXPECT_TRUE(torch::equal(z, prior->view()->sample(10, Rng(4), Stream::kTest, 2)));
  EXPECT_FALSE(torch::equal(z, prior->view()->sample(10, Rng(4), Stream::kTest, 3)));
  EXPECT_FALSE(torch::equal(z, prior->view()->sample(10, Rng(4), Stream::kTest, 2, 10)));
}

TEST(DeepPrior, GaussiansHaveWhiteCoordinates) {
  for (const auto& reference : {"gaussian", "learnable_gaussian"}) {
    const auto prior = deep_prior({.reference = reference});
    EXPECT_TRUE(prior->view()->white() != nullptr);
    const at::Tensor y = Rng(6).normal(Stream::kTest, 0, {20, 3}, torch::kDouble);
    const auto [z, slope] = prior->view()->white()->to_latent(y);
    EXPECT_LE((prior->view()->white()->to_white(z) - y).abs().max().item<double>(), 1e-12);
    EXPECT_LE(((prior->view()->white()->to_latent(y + 1).first - z) - slope).abs().max().item<double>(), 1e-12);
    const auto [rest, gradient] = prior->view()->white()->residual(z);
    const at::Tensor gap = (prior->view()->log_prob(z) + 0.5 * y.square().sum(1) - rest).detach();
    EXPECT_LE((gap - gap[0]).abs().max().item<double>(), 1e-10);  // a constant
    EXPECT_LE((prior->view()->score(z) + y / slope - gradient).abs().max().item<double>(), 1e-10);
  }
  const auto box = deep_prior({.reference = "ebm"});
  EXPECT_EQ(box->view()->white(), nullptr);
}

TEST(DeepPrior, HasNoCurvesAndNoTable) {
  const auto prior = deep_prior({});
  EXPECT_FALSE(prior->normalised());
  EXPECT_EQ(prior->latent_shape(), std::vector<int64_t>{3});
  EXPECT_EQ(prior->view()->distribution(), nullptr);
  EXPECT_NE(prior->view()->tilted(), nullptr);
}

TEST(DeepPrior, ViewsAreRefusedOnceItsParametersHaveChanged) {
  const auto prior = deep_prior({.reference = "gaussian"});
  const auto view = prior->view();
  const at::Tensor z = view->sample(3, Rng(2), Stream::kTest, 0);
  {
    const torch::NoGradGuard no_grad;
    prior->parameters().back().add_(0.1);
  }
  EXPECT_THROW(view->sample(3, Rng(2), Stream::kTest, 0), Error);
  EXPECT_THROW(view->log_prob(z), Error);
  EXPECT_THROW(view->score(z), Error);
  EXPECT_THROW(view->weighted_log_prob(z, torch::ones({3}, torch::kDouble) / 3, Rng(2), 0), Error);
  EXPECT_THROW(view->white()->to_latent(z), Error);
  EXPECT_THROW(view->white()->to_white(z), Error);
  EXPECT_THROW(view->white()->residual(z), Error);
  EXPECT_THROW(view->tilted()->sample_base(3, Rng(2), Stream::kTest, 0), Error);
  EXPECT_THROW(view->tilted()->base_density(z), Error);
  EXPECT_THROW(view->tilted()->tilt(z), Error);
}

TEST(DeepPrior, GridUpdatesKeepTheBox) {
  for (const auto& reference : {"ebm", "gaussian"}) {
    const auto prior = deep_prior({.reference = reference, .noise = 0.01});
    const auto [a, b] = prior->domain();
    prior->update_grid(prior->view()->sample(200, Rng(2), Stream::kTest, 0));
    const at::Tensor knots = prior->named_buffers()["layer0.knots"];
    if (std::isfinite(a)) {
      EXPECT_EQ((knots.select(1, 0) - a).abs().max().item<double>(), 0);
      EXPECT_LE((knots.select(1, -1) - b).abs().max().item<double>(), 1e-15);
    }
    EXPECT_GT(knots.diff(1, 1).min().item<double>(), 0);
  }
}

}  // namespace
}  // namespace kaem::test
