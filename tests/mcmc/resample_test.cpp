#include "kaem/mcmc/resample.h"

#include <gtest/gtest.h>
#include <torch/types.h>

#include "kaem/core/error.h"
#include "kaem/core/rng.h"

namespace kaem::mcmc {
namespace {

class ResamplerOfName : public ::testing::TestWithParam<std::string> {};

at::Tensor uniforms(int64_t step, at::IntArrayRef shape) {
  return Rng(3).uniform(Stream::kTest, step, shape, torch::kDouble);
}

TEST_P(ResamplerOfName, CountsSumToTheNumberOfSamples) {
  const at::Tensor w = torch::softmax(3 * Rng(1).normal(Stream::kTest, 0, {50, 20}, torch::kDouble), 1);
  const at::Tensor counts = find_resampler(GetParam())(w, uniforms(0, {50, 20}));
  EXPECT_TRUE(torch::equal(counts.sum(1), torch::full({50}, 20.0, torch::kDouble)));
  EXPECT_TRUE((counts >= 0).all().item<bool>());
  EXPECT_TRUE(torch::equal(counts, counts.floor()));
}

// Mean counts over 40,000 repetitions within 6 standard errors of S·w: false-alarm rate 24 x 2e-9.
TEST_P(ResamplerOfName, ExpectedCountsAreSTimesW) {
  constexpr int64_t kRepetitions = 40'000;
  const at::Tensor w = torch::tensor({0.0, 0.37, 0.011, 0.25, 0.119, 0.0, 0.2, 0.05}, torch::kDouble);
  const at::Tensor counts = find_resampler(GetParam())(w.expand({kRepetitions, 8}), uniforms(1, {kRepetitions, 8}));
  const at::Tensor error = (counts.var(0) / static_cast<double>(kRepetitions)).sqrt() + 1e-12;
  EXPECT_LE(((counts.mean(0) - 8 * w).abs() / error).max().item<double>(), 6.0);
  EXPECT_EQ(counts.select(1, 0).abs().sum().item<double>(), 0);
}

TEST_P(ResamplerOfName, KeepsPointMassesAndEqualWeights) {
  const auto resample = find_resampler(GetParam());
  at::Tensor point = torch::zeros({3, 5}, torch::kDouble);
  point.select(1, 4).fill_(1);
  EXPECT_TRUE(torch::equal(resample(point, uniforms(2, {3, 5})), 5 * point));
  const at::Tensor equal = torch::full({3, 5}, 0.2, torch::kDouble);
  const at::Tensor counts = resample(equal, uniforms(3, {3, 5}));
  EXPECT_TRUE(torch::equal(counts, torch::ones_like(counts)));
}

INSTANTIATE_TEST_SUITE_P(AllResamplers, ResamplerOfName, ::testing::Values("residual", "systematic", "stratified"));

TEST(Resampler, NoneIsNoFunctionAndOthersAreErrors) {
  EXPECT_EQ(find_resampler("none"), nullptr);
  EXPECT_THROW(find_resampler("residue"), ConfigError);
}

TEST(EffectiveSampleSize, IsTheInverseSumOfSquares) {
  const at::Tensor w = torch::tensor({{0.25, 0.25, 0.25, 0.25}, {1.0, 0.0, 0.0, 0.0}});
  EXPECT_TRUE(torch::allclose(effective_sample_size(w), torch::tensor({4.0, 1.0})));
}

}  // namespace
}  // namespace kaem::mcmc
