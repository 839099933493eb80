// The two that have no density: gradients against differences, and what training on data that are known gives.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "kaem/baseline/baselines.h"
#include "kaem/core/error.h"
#include "kaem/model/model.h"
#include "kaem/objective/objective.h"
#include "kaem/posterior/posterior.h"
#include "kaem/prior/prior.h"
#include "kaem/train/optimizer.h"

namespace kaem {
namespace {

using at::Tensor;

constexpr DataShape kSmall = {1, 4, 4};

struct Trained {
  BaselineOptions options;
  ModelOptions shared;
  Model model{nullptr};
  std::unique_ptr<Objective> objective;
};

Trained trained(const std::string& mode, const std::function<void(BaselineOptions&)>& change) {
  Trained made;
  change(made.options);
  PosteriorOptions posterior;
  ObjectiveOptions objective;
  const BaselineRow& row = *find_baseline(mode);
  BaselineSettings settings{made.shared, posterior, objective};
  row.settle(made.options, settings);
  made.model = Model(row.model(made.options, made.shared, kSmall, Rng(4)));
  made.objective = row.objective(made.options);
  return made;
}

Trained small_gan(int64_t n_critic = 1) {
  return trained("baseline-gan", [&](BaselineOptions& o) {
    o.gan.latent_dim = 3, o.gan.n_critic = n_critic;
    o.gan.generator = {{4}, {2, 1}, {4, 3}, {1}}, o.gan.discriminator = {{4}, {2}, {4}, {1}};
  });
}

Trained small_ddpm(int64_t timesteps = 50, int64_t stride = 1) {
  return trained("baseline-ddpm", [&](BaselineOptions& o) {
    o.ddpm = {.timesteps = timesteps, .beta_end = 0.3, .channels = {8, 16}, .time_dim = 16, .sampling_stride = stride};
  });
}

Terms terms_of(Trained& t, const Tensor& x, int64_t step) {
  return t.objective->evaluate(t.model->view(), x, {}, step, Rng(6));
}

double named(const Terms& terms, const std::string& name) {
  for (const auto& term : terms.named)
    if (term.name == name) return term.value.item<double>();
  ADD_FAILURE() << name;
  return 0;
}

/// Each player's gradient is that of its own loss: the reported losses are differenced, in float64.
TEST(Gan, EachPlayersGradientIsThatOfItsOwnLoss) {
  Trained gan = small_gan();
  gan.model->to(at::kDouble);
  const Tensor x = Rng(2).uniform(Stream::kTest, 0, {6, 16}, at::kDouble);
  terms_of(gan, x, 0).total.backward();
  constexpr double kStep = 1e-6;
  int64_t checked = 0;
  for (const auto& p : gan.model->named_parameters()) {
    const bool of_discriminator = p.key().find("discriminator") != std::string::npos;
    const char* loss = of_discriminator ? "discriminator_loss" : "generator_loss";
    Tensor flat = p.value().detach().view(-1);
    const int64_t i = flat.numel() / 2;
    const double before = flat[i].item<double>();
    const auto at = [&](double value) {
      flat[i] = value;
      return named(terms_of(gan, x, 0), loss);
    };
    const double slope = (at(before + kStep) - at(before - kStep)) / (2 * kStep);
    flat[i] = before;
    EXPECT_NEAR(p.value().grad().view(-1)[i].item<double>(), slope, 1e-7 + 1e-5 * std::abs(slope)) << p.key();
    ++checked;
  }
  EXPECT_GE(checked, 8);
}

TEST(Gan, TheGeneratorWaitsForItsCritic) {
  Trained gan = small_gan(/*n_critic=*/3);
  const Tensor x = Rng(2).uniform(Stream::kTest, 0, {6, 16});
  for (int64_t step = 0; step < 6; ++step) {
    gan.model->zero_grad();
    for (auto& p : gan.model->parameters()) p.mutable_grad() = Tensor();
    terms_of(gan, x, step).total.backward();
    bool moves = false;
    for (const auto& p : gan.model->named_parameters())
      if (p.key().find("discriminator") == std::string::npos) moves = moves || p.value().grad().defined();
    EXPECT_EQ(moves, step % 3 == 2) << step;
  }
}

TEST(Gan, AKernelLargerThanTheImageIsRefused) {
  const auto make = [](BaselineOptions& o) {
    o.gan.latent_dim = 3;
    o.gan.generator = {{4}, {2, 1}, {4, 3}, {1}}, o.gan.discriminator = {{4}, {64}, {16}, {1}};
  };
  EXPECT_THROW(trained("baseline-gan", make), ConfigError);
}

TEST(Gan, ADensityIsRefused) {
  Trained gan = small_gan();
  EXPECT_FALSE(gan.model->likelihood->has_density());
  EXPECT_THROW(gan.model->log_likelihood(at::zeros({1, 16}), at::zeros({1, 3})), Error);
}

/// The network begins with 0 for the noise: the loss is then the mean square of the noise.
TEST(Ddpm, TheLossBeginsAtTheVarianceOfTheNoise) {
  Trained ddpm = small_ddpm();
  const Tensor x = Rng(2).uniform(Stream::kTest, 0, {500, 16});
  const double loss = terms_of(ddpm, x, 0).total.item<double>();
  EXPECT_NEAR(loss, 1, 6 * std::sqrt(2.0 / (500 * 16)));
  EXPECT_NEAR(loss, Rng(6).normal(Stream::kNoise, 0, {500, 16}).square().mean().item<double>(), 1e-5);
}

/// With 0 for the noise the chain is x ← x/√α + √β ξ: from 0 the variance is known.
TEST(Ddpm, TheReverseProcessHasTheVarianceOfItsSteps) {
  const at::NoGradGuard no_grad;
  Trained ddpm = trained("baseline-ddpm", [](BaselineOptions& o) {
    o.ddpm = {
        .timesteps = 20, .beta_start = 1e-4, .beta_end = 2e-3, .channels = {4}, .time_dim = 4, .sampling_stride = 5};
  });
  std::vector<double> kept = {1};
  for (int64_t t = 0; t < 20; ++t)
    kept.push_back(kept.back() * (1 - (1e-4 + (2e-3 - 1e-4) * static_cast<double>(t) / 19)));
  double variance = 0;
  for (int64_t t = 20; t > 0; t -= 5) {
    const double alpha = kept[static_cast<size_t>(t)] / kept[static_cast<size_t>(t - 5)];
    variance = variance / alpha + (t > 5 ? 1 - alpha : 0);
  }
  constexpr int64_t kRows = 4000;
  const Tensor start = Rng(8).normal(Stream::kTest, 0, {kRows, 16}) * 1e-6;  // rows that differ, from nearly 0
  const Tensor x = ddpm.model->generator->forward(start).to(at::kDouble);
  const double error = std::sqrt(2.0 / (kRows * 16));
  EXPECT_LE(x.abs().max().item<double>(), 1) << "nothing was cut off";
  EXPECT_NEAR(x.square().mean().item<double>() / variance, 1, 6 * error);
  EXPECT_NEAR(x.mean().item<double>(), 0, 6 * std::sqrt(variance / (kRows * 16)));
  EXPECT_TRUE(
      ddpm.model->generator->forward(start.slice(0, 7, 9)).equal(ddpm.model->generator->forward(start).slice(0, 7, 9)))
      << "a row depends on where it begins alone";
}

/// Trained on one image, it makes that image, to a tenth of what another image is off.
TEST(Ddpm, ComesBackToTheOneImageThatItKnows) {
  at::set_num_threads(1);  // tensors so small that threads would only wait for each other
  Trained ddpm = small_ddpm(/*timesteps=*/50, /*stride=*/2);
  const Tensor image = Rng(2).uniform(Stream::kTest, 0, {1, 16}), x = image.expand({16, 16});
  std::vector<NamedParameter> parameters;
  for (const auto& p : ddpm.model->named_parameters()) parameters.push_back({p.key(), p.value()});
  const auto adam = make_optimizer({.learning_rate = 5e-3}, parameters);
  for (int64_t step = 0; step < 400; ++step) {
    adam->zero_grad();
    terms_of(ddpm, x, step).total.backward();
    adam->step(step < 300 ? 1 : 0.1);
  }
  const at::NoGradGuard no_grad;
  const Tensor made = ddpm.model->generate(ddpm.model->prior->view()->sample(16, Rng(5), Stream::kTest, 0)).flatten(1);
  const double error = (made - image).square().mean().item<double>();
  const double spread = (Rng(3).uniform(Stream::kTest, 0, {16, 16}) - image).square().mean().item<double>();
  EXPECT_LT(error, 0.1 * spread) << "of another image " << spread;
}

}  // namespace
}  // namespace kaem
