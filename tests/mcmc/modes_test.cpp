// Two separated modes, which chains at t = 1 never leave: weights come out right by exchanges alone.
#include <iostream>

#include "kaem/mcmc/tempering.h"
#include "mcmc/support.h"

namespace kaem::mcmc::test {
namespace {

constexpr int64_t kModesDim = 5, kLevels = 11;

/// log(.3 Π N(z; -.4, .1²) + .7 Π N(z; .4, .1²)) up to a constant.
Value two_modes(const at::Tensor& z, Want) {
  const at::Tensor left = (z + 0.4) / 0.1, right = (z - 0.4) / 0.1;
  const at::Tensor l = std::log(0.3) - 0.5 * left.square().sum(-1), r = std::log(0.7) - 0.5 * right.square().sum(-1);
  const at::Tensor share = torch::sigmoid(l - r).unsqueeze(-1);
  return {torch::logaddexp(l, r), -(share * left + (1 - share) * right) / 0.1};
}

Target modes(const at::Tensor& temperature) {
  Target target;
  target.prior = [](const at::Tensor& z, Want) -> Value { return {0 * z.sum(-1), torch::zeros_like(z)}; };
  target.likelihood = two_modes;
  target.temperature = temperature;
  target.lower = -1, target.upper = 1;
  return target;
}

struct Result {
  double weight, error;
};

/// Weight of the right mode at t = 1, and its standard error over chains, each of which gives one time average.
Result right_mode(Scheme scheme, KernelOptions options, int64_t chains, int64_t steps) {
  const at::Tensor temperature = row(power_ladder(kLevels - 1, 3));
  // About the width of π_t.
  options.preconditioner = (0.1 * temperature.slice(0, 1).rsqrt()).clamp_max(0.6).view({-1, 1, 1, 1});
  const Kernel kernel = make_kernel(modes(temperature.slice(0, 1)), options);
  options.preconditioner = at::Tensor();
  const Kernel bottom = make_kernel(modes(temperature.slice(0, 0, 1)), options);
  const auto refresh = [&](Draws& draws) {
    return bottom.init(2 * draws.uniform({1, 1, chains, kModesDim}, torch::kDouble) - 1);
  };
  Draws draws = make_draws(Rng(6), Stream::kTest, 30);
  const at::Tensor start = 0.4 + 0.1 * draws.normal({kLevels - 1, 1, chains, kModesDim}, torch::kDouble).clamp(-5, 5);
  State state = join(refresh(draws), kernel.init(start));
  ExchangeLog log(kLevels, 1, chains, torch::kDouble);
  const int64_t warm_up = steps / 4;
  at::Tensor count = torch::zeros({chains}, torch::kDouble);
  for (int64_t k = 0; k < steps; ++k) {
    state = tempered_step(state, kernel, refresh, temperature, scheme, draws, log);
    if (k >= warm_up) count += (state.z[kLevels - 1][0].sum(-1) > 0).to(torch::kDouble);
  }
  const at::Tensor average = count / static_cast<double>(steps - warm_up);
  const Result result = {average.mean().item<double>(),
                         average.std().item<double>() / std::sqrt(static_cast<double>(chains))};
  std::cout << options.name << ": weight " << result.weight << " +- " << result.error << ", barrier "
            << log.barrier().item<double>() << ", least swap rate " << log.swap_rate().min().item<double>()
            << ", round trips a chain " << log.round_trips.to(torch::kDouble).mean().item<double>() << "\n";
  return result;
}

// Tolerances: the weight within .02, which is at least 4 standard errors (false-alarm rate 6e-5 or less; the seed is
// fixed).
TEST(TwoModes, HaveTheirWeightsByExchanges) {
  const Result result = right_mode(Scheme::kDeo, {.name = "mala", .step_size = 0.4}, 500, 1000);
  EXPECT_NEAR(result.weight, 0.7, 0.02);
  EXPECT_LE(result.error, 0.005);
}

TEST(TwoModes, AreNeverLeftWithoutExchanges) {
  EXPECT_GT(std::abs(right_mode(Scheme::kNone, {.name = "mala", .step_size = 0.4}, 100, 200).weight - 0.7), 0.1);
}

}  // namespace
}  // namespace kaem::mcmc::test
