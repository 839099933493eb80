#include "kaem/mcmc/diagnostics.h"

#include <gtest/gtest.h>
#include <torch/types.h>

#include <cmath>

#include "kaem/core/error.h"
#include "kaem/core/rng.h"

namespace kaem::mcmc {
namespace {

at::Tensor normals(int64_t step, at::IntArrayRef shape) {
  return Rng(23).normal(Stream::kTest, step, shape, torch::kDouble);
}

/// Stationary chains x <- ρ x + √(1-ρ²) ξ, [steps, chains].
at::Tensor autoregression(double rho, int64_t steps, int64_t chains) {
  const at::Tensor noise = normals(1, {steps, chains});
  at::Tensor out = torch::empty_like(noise);
  out[0] = noise[0];
  for (int64_t k = 1; k < steps; ++k) out[k] = rho * out[k - 1] + std::sqrt(1 - rho * rho) * noise[k];
  return out;
}

TEST(SplitRhat, IsOneForMixedChains) {
  const at::Tensor rhat = split_rhat(normals(0, {1000, 8, 5}));
  EXPECT_EQ(rhat.sizes(), at::IntArrayRef({5}));
  EXPECT_LT((rhat - 1).abs().max().item<double>(), 0.01);
}

TEST(SplitRhat, SeesSeparatedChainsAndDrifts) {
  const at::Tensor mixed = normals(0, {1000, 8});
  EXPECT_GT(split_rhat(mixed + 5 * torch::arange(8, torch::kDouble)).item<double>(), 5);
  EXPECT_GT(split_rhat(mixed + torch::linspace(0, 5, 1000, torch::kDouble).unsqueeze(1)).item<double>(), 1.3);
}

// By hand: halves (0,1), (2,4), (1,1), (3,5) have means .5, 3, 1, 4 and variances .5, 2, 0, 2; W = 1.125,
// variance of the means 2.7291667, pooled W/2 + that = 3.2916667.
TEST(SplitRhat, OfShortChainsIsThatByHand) {
  const at::Tensor chains = torch::tensor({{0.0, 1.0}, {1.0, 1.0}, {2.0, 3.0}, {4.0, 5.0}}, torch::kDouble);
  EXPECT_NEAR(split_rhat(chains).item<double>(), std::sqrt(3.2916666666666665 / 1.125), 1e-12);
  EXPECT_EQ(split_rhat(torch::ones({10, 3})).item<double>(), 1);
  EXPECT_THROW(split_rhat(torch::ones({3, 3})), UsageError);
}

// The mean of an AR(1) process has variance (1+ρ)/(1-ρ) times that of independent draws. Its estimate has a relative
// error of a few percent here; the tolerance is 10 %.
TEST(AutocorrelationEss, OfAnAutoregressionIsKnown) {
  for (const double rho : {-0.4, 0.0, 0.5, 0.9}) {
    const double ess = autocorrelation_ess(autoregression(rho, 20'000, 8)).item<double>();
    EXPECT_NEAR(ess / (160'000 * (1 - rho) / (1 + rho)), 1, 0.1) << rho;
  }
}

TEST(AutocorrelationEss, KeepsTheOtherAxes) {
  const at::Tensor x = normals(2, {500, 4, 3, 2});
  const at::Tensor ess = autocorrelation_ess(x);
  EXPECT_EQ(ess.sizes(), at::IntArrayRef({3, 2}));
  EXPECT_NEAR(ess[1][1].item<double>(), autocorrelation_ess(x.select(3, 1).select(2, 1)).item<double>(), 1e-6);
}

TEST(AutocorrelationEss, OfChainsThatDisagreeIsAboutTheirNumber) {
  const at::Tensor x = 0.01 * normals(3, {1000, 4}) + torch::arange(4, torch::kDouble);
  EXPECT_LT(autocorrelation_ess(x).item<double>(), 8);
}

}  // namespace
}  // namespace kaem::mcmc
