// The priors of the configuration files can take the shapes that training asks of them.
#include <gtest/gtest.h>
#include <torch/types.h>

#include <cmath>

#include "kaem/core/str.h"
#include "kaem/prior/curves.h"
#include "kaem/prior/prior.h"
#include "kaem/train/optimizer.h"

namespace kaem {
namespace {

/// Two normal modes at ±0.5 of the half-width, standard deviation 0.15 of it: log-density at z [K], normalised on the
/// points by the caller.
at::Tensor log_target(const at::Tensor& z, double middle, double half) {
  const at::Tensor x = (z - middle) / half;
  const auto mode = [&](double at) { return -0.5 * ((x - at) / 0.15).square(); };
  return torch::logaddexp(mode(-0.5), mode(0.5));
}

/// KL(target ‖ p_q), least or greatest over q, after a fit to draws of the target, by quadrature, from the curves of
/// all components.
double divergence_after_fit(PriorOptions options, int64_t inputs, int64_t updates, bool least) {
  constexpr int64_t kOutputs = 4, kDraws = 1000, kPoints = 2001;
  options.layer_widths = {inputs, kOutputs};
  const Rng rng(3);
  const auto prior = make_prior(options, rng);
  const auto [low, high] = prior->domain();
  const double middle = (low + high) / 2, half = (high - low) / 2;
  const at::Tensor z = torch::linspace(low, high, kPoints, torch::kDouble);
  const at::Tensor target = log_target(z, middle, half).softmax(0);  // masses of points
  const at::Tensor u = rng.uniform(Stream::kTest, 0, {kDraws, kOutputs}, at::TensorOptions(at::kDouble));
  const at::Tensor draws = z.index({torch::searchsorted(target.cumsum(0), u).clamp_max(kPoints - 1)}).to(torch::kFloat);

  std::vector<NamedParameter> parameters;
  for (const auto& p : prior->named_parameters()) parameters.push_back({p.key(), p.value(), true});
  const auto optimizer = make_optimizer({.type = "adam", .learning_rate = 0.03}, parameters);
  const at::Tensor weight = torch::full({kDraws}, 1.0 / kDraws);
  for (int64_t step = 0; step < updates; ++step) {
    optimizer->zero_grad();
    (-prior->view()->weighted_log_prob(draws, weight, rng, step)).backward();
    optimizer->step(1 - static_cast<double>(step) / static_cast<double>(updates));
  }
  const torch::NoGradGuard no_grad;
  const at::Tensor density =
      prior->view()->distribution()->curves(kPoints).density.to(torch::kDouble).mean(2);  // [K,Q], equal proportions
  const at::Tensor mass = density * (high - low) / (kPoints - 1);
  const at::Tensor divergence = (target.unsqueeze(1) * (target.unsqueeze(1).log() - mass.log())).sum(0);
  return (least ? divergence.min() : divergence.max()).item<double>();
}

// The divergence is 0.48 of a flat density, and not much less of any energy that is a parabola: those have one mode.
TEST(DefaultPriors, FitABimodalDensity) {
  for (const char* file : {"svhn", "cifar", "celeba"}) {
    SCOPED_TRACE(file);
    const Config c = load_config(str("config/", file, "_config.ini"), {}, "", "");
    PriorOptions options = c.model.prior;
    EXPECT_EQ(options.basis.kind, "RBF");
    EXPECT_FALSE(options.mixture.train_proportions);
    EXPECT_LE(divergence_after_fit(options, 1, 600, /*least=*/false), 0.05) << "a single component";
    EXPECT_LE(divergence_after_fit(options, options.layer_widths[0], 300, /*least=*/false), 0.25)
        << "a mixture of as many as there are";
  }
}

}  // namespace
}  // namespace kaem
