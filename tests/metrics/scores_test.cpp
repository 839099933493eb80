// Distances, comparisons of pictures, spectra and rankings against SciPy and loops that follow the definitions: the
// numbers are those that tests/metrics/expected.py prints.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "kaem/metrics/distance.h"
#include "kaem/metrics/pictures.h"
#include "kaem/metrics/ranking.h"
#include "kaem/metrics/two_sample.h"

namespace kaem::test {
namespace {

using at::Tensor;
using metrics::Moments;

constexpr double kTolerance = 1e-6;  // relative

/// A linear congruential generator modulo 2^32, as in expected.py.
Tensor uniforms(int64_t count, uint32_t state) {
  std::vector<double> values;
  for (int64_t i = 0; i < count; ++i) {
    state = state * 1664525U + 1013904223U;
    values.push_back(state / 4294967296.0);
  }
  return at::tensor(values, at::kDouble);
}

Tensor rows(int64_t n, int64_t f, uint32_t seed, double scale = 1, double shift = 0) {
  const Tensor u = uniforms(n * f, seed).reshape({n, f});
  return shift + scale * (u + 0.5 * u.roll({1}, {1}));
}

Moments moments_of(const Tensor& t) {
  Moments moments;
  for (const Tensor& part : t.split(7)) moments.add(part);
  return moments;
}

void expect_near(double value, double expected) { EXPECT_NEAR(value, expected, kTolerance * std::abs(expected)); }

TEST(Scores, FrechetDistanceIsThatOfSciPy) {
  const Tensor a = rows(40, 6, 1), b = rows(50, 6, 2, 1.3, 0.2);
  expect_near(metrics::frechet_distance(moments_of(a), moments_of(b)), 1.3666478605950232);
  expect_near(metrics::frechet_distance(moments_of(b), moments_of(a)), 1.3666478605950232);
}

/// Fewer rows than features: covariances have no inverse, and a root of what rounding leaves of zeros would show.
TEST(Scores, FrechetDistanceOfASetFromItselfIsZero) {
  const Tensor a = rows(100, 300, 1, 5);
  EXPECT_LT(std::abs(metrics::frechet_distance(moments_of(a), moments_of(a))), 1e-6);
  EXPECT_GT(metrics::frechet_distance(moments_of(a), moments_of(a + 0.01)), 1e-6);
}

/// Gaussians of known moments: |Δμ|² + Σ (σa - σb)² where they are independent, at any number of rows.
TEST(Scores, FrechetDistanceOfKnownMomentsIsTheClosedForm) {
  const Tensor zero = at::zeros({3}, at::kDouble), one = at::eye(3, at::kDouble);
  const Moments a(zero, one, 0), b(zero + 2, 9 * one, 1000);
  expect_near(metrics::frechet_distance(a, b), 3 * 4 + 3 * 4);
}

/// 40 sets of rows whose true distance is known. The mean of the limits is within 5 of its standard errors of it (and
/// that of the distances themselves is not: they are biased), and the error is the limits' spread, which 40 values tell
/// to 11 %.
TEST(Scores, FrechetDistancesLimitHasNoBiasAndItsErrorIsItsSpread) {
  const Moments reference(at::zeros({8}, at::kDouble), at::eye(8, at::kDouble), 0);
  constexpr double kTruth = 8 * (0.25 + 0.04);
  constexpr int kSets = 40;
  double errors = 0;
  std::vector<double> limits, plain;
  for (int i = 0; i < kSets; ++i) {
    const Tensor sample = 0.5 + 1.2 * Rng(3).normal(Stream::kTest, i, {200, 8}, at::kDouble);
    const metrics::Frechet found = metrics::frechet_distance(sample, reference, Rng(1));
    limits.push_back(found.limit.value), plain.push_back(found.of_samples.value);
    errors += found.limit.error / kSets;
  }
  const Tensor limit = at::tensor(limits, at::kDouble), distance = at::tensor(plain, at::kDouble);
  const double error_of_mean = limit.std().item<double>() / std::sqrt(kSets);
  EXPECT_LT(std::abs(limit.mean().item<double>() - kTruth), 5 * error_of_mean);
  EXPECT_GT((distance - limit).mean().item<double>(), 0.05);
  EXPECT_NEAR(errors / limit.std().item<double>(), 1, 0.5);
}

TEST(Scores, FrechetDistanceOfRowsIsThatOfTheirMoments) {
  const Moments reference = moments_of(rows(50, 6, 2, 1.3, 0.2));
  for (const int64_t n : {16, 40}) {
    const Tensor a = rows(n, 6, 1);
    expect_near(metrics::frechet_distance(a, reference, Rng(1)).of_samples.value,
                metrics::frechet_distance(moments_of(a), reference));
  }
}

TEST(Scores, KernelDistanceIsThatOfLoops) {
  const metrics::Estimate found = metrics::kernel_distance(rows(40, 6, 1), rows(50, 6, 2, 1.3, 0.2));
  expect_near(found.value, 5.022676385446941);
}

/// Of sets drawn from one distribution the mean is 0 and the spread what the error says, up to its own first order.
TEST(Scores, KernelDistancesErrorIsItsSpread) {
  double sum = 0, squares = 0, errors = 0;
  constexpr int kSets = 200;
  for (int i = 0; i < kSets; ++i) {
    const Tensor a = Rng(5).normal(Stream::kTest, 2 * i, {60, 3}), b = Rng(5).normal(Stream::kTest, 2 * i + 1, {60, 3});
    const metrics::Estimate found = metrics::kernel_distance(a, b + 0.5);
    sum += found.value, squares += found.value * found.value, errors += found.error;
  }
  const double mean = sum / kSets, spread = std::sqrt(squares / kSets - mean * mean);
  EXPECT_GT(mean, 0);
  EXPECT_NEAR(errors / kSets / spread, 1, 0.3);  // the spread of 200 values is known to 5 %: 6 of these
}

TEST(Scores, PrecisionAndRecallAreThoseOfLoops) {
  const auto found = metrics::precision_recall(rows(30, 3, 3), rows(25, 3, 4, 1.2, 0.5), 3);
  EXPECT_EQ(found.precision.value, 0.8);
  EXPECT_EQ(found.recall.value, 0.36666666666666664);
  EXPECT_DOUBLE_EQ(found.precision.error, std::sqrt(0.8 * (1 - 0.8) / 25));
}

TEST(Scores, NearestRowsAreTheNearest) {
  const Tensor a = rows(5, 4, 1), b = rows(9000, 4, 2);
  const auto [index, distance] = metrics::nearest_rows(a, b, 3);
  for (int64_t i = 0; i < 5; ++i) {
    const auto [sorted, order] = (b - a[i]).square().sum(1).sqrt().sort();
    EXPECT_TRUE(at::equal(index[i], order.slice(0, 0, 3)));
    EXPECT_TRUE(at::allclose(distance[i], sorted.slice(0, 0, 3), 1e-9, 1e-9));
  }
}

TEST(Scores, SimilaritiesOfPicturesAreThoseOfLoops) {
  const Tensor x = uniforms(2 * 14 * 13, 5).reshape({1, 2, 14, 13}),
               y = 0.7 * x + 0.3 * uniforms(2 * 14 * 13, 6).reshape({1, 2, 14, 13});
  expect_near(metrics::structural_similarity(x, y).item<double>(), 0.8663492322630373);
  expect_near(metrics::peak_signal_to_noise(x, y).item<double>(), 18.112071644784105);
  EXPECT_DOUBLE_EQ(metrics::structural_similarity(x, x).item<double>(), 1);
  EXPECT_THROW(metrics::structural_similarity(x.slice(2, 0, 10), y.slice(2, 0, 10)), c10::ValueError);
}

TEST(Scores, SpectrumIsThatOfLoops) {
  const std::vector<double> expected = {1.5777218104420237e-31, 0.07433886321979234, 0.051273774781566576,
                                        0.14563578536690727, 0.06514965604978015};
  const Tensor found = metrics::radial_spectrum(uniforms(8 * 10, 7).reshape({1, 1, 8, 10}))[0];
  ASSERT_EQ(found.size(0), 5);
  for (int64_t k = 1; k < 5; ++k) expect_near(found[k].item<double>(), expected[static_cast<size_t>(k)]);
  EXPECT_LT(found[0].item<double>(), 1e-20);
}

// Where four numbers stand: the steps of their distribution function are at most 0.4 from the diagonal (at 0.9 from
// below), and two of two cells hold 1 and 3 of them.
TEST(Scores, DistancesFromTheUniformAreThoseByHand) {
  const Tensor u = at::tensor({0.6, 0.9, 0.35, 0.95}, at::kDouble).unsqueeze(1);
  EXPECT_NEAR(metrics::uniform_distance(u).item<double>(), 0.4, 1e-12);
  const double divergence = 0.25 * std::log(0.5) + 0.75 * std::log(1.5) - 1.0 / 8;
  EXPECT_NEAR(metrics::uniform_divergence(u).item<double>(), divergence, 1e-12);
}

// Of uniforms: sqrt(N) times the distance has the mean 0.8687 of Kolmogorov's distribution (standard deviation 0.2603;
// with N = 500 it is 0.0003 lower than in the limit, Stephens' correction 0.12/sqrt(N)), the divergence a mean of 0; 6
// standard errors of 2,000 columns: false-alarm rate 4e-9.
TEST(Scores, DistancesOfUniformsAreThoseOfTheory) {
  constexpr int64_t kRows = 500, kColumns = 2000;
  const Tensor u = Rng(7).uniform(Stream::kTest, 0, {kRows, kColumns}, at::kDouble);
  const double scale = std::sqrt(static_cast<double>(kRows)) + 0.12 + 0.11 / std::sqrt(static_cast<double>(kRows));
  EXPECT_NEAR((metrics::uniform_distance(u) * scale).mean().item<double>(), 0.8687,
              6 * 0.2603 / std::sqrt(static_cast<double>(kColumns)));
  const Tensor divergence = metrics::uniform_divergence(u);
  EXPECT_NEAR(divergence.mean().item<double>(), 0,
              6 * divergence.std().item<double>() / std::sqrt(static_cast<double>(kColumns)));
}

// The divergence of a density that is known: p(u) = 2u has KL ∫ 2u log 2u du = log 2 - 1/2; cells average it, which
// costs less than 0.004 nats with 16 of them. 6 standard errors over 200 columns: false-alarm rate 2e-9.
TEST(Scores, DivergenceIsThatOfAKnownDensity) {
  constexpr int64_t kColumns = 200;
  const Tensor u = Rng(8).uniform(Stream::kTest, 0, {4000, kColumns}, at::kDouble).sqrt();
  const Tensor divergence = metrics::uniform_divergence(u);
  const double error = divergence.std().item<double>() / std::sqrt(static_cast<double>(kColumns));
  EXPECT_NEAR(divergence.mean().item<double>(), std::log(2.0) - 0.5, 0.004 + 6 * error);
}

// Rows of the same distribution are told by half of the guesses; those of N(0,1) and N(2,1) by Φ(1) = 0.8413 of them,
// and so are correlations of 0.8 and -0.8, which no single column shows: by the sign of the product, 0.7952 =
// 1/2 + asin(0.8)/π. 6 standard errors: false-alarm rate 6e-9.
TEST(Scores, ClassifierTellsTwoSamplesAsWellAsCanBe) {
  const Rng rng(9);
  const Tensor a = rng.normal(Stream::kTest, 0, {2000, 2}), b = rng.normal(Stream::kTest, 1, {2000, 2});
  const auto same = metrics::two_sample_accuracy(a, b, rng);
  EXPECT_NEAR(same.value, 0.5, 6 * same.error);
  const Tensor shift = at::tensor({2.0F, 0.0F});
  const auto apart = metrics::two_sample_accuracy(a, b + shift, rng);
  EXPECT_NEAR(apart.value, 0.8413, 0.01 + 6 * apart.error);
  const auto correlated = [](const Tensor& t, double c) {
    return at::stack({t.select(1, 0), c * t.select(1, 0) + std::sqrt(1 - c * c) * t.select(1, 1)}, 1);
  };
  const auto turned = metrics::two_sample_accuracy(correlated(a, 0.8), correlated(b, -0.8), rng);
  EXPECT_NEAR(turned.value, 0.7952, 0.015 + 6 * turned.error);
  EXPECT_ANY_THROW(metrics::two_sample_accuracy(a, b.slice(0, 0, 100), rng));
}

TEST(Scores, RankingsAreThoseOfLoopsWithTies) {
  const Tensor p = (uniforms(17, 8) * 10 + 2).round(), n = (uniforms(23, 9) * 10).round();
  const metrics::Estimate area = metrics::area_under_roc(p, n), precision = metrics::average_precision(p, n, Rng(1));
  expect_near(area.value, 0.7352941176470589);
  expect_near(area.error, 0.07818726089768373);
  expect_near(precision.value, 0.6771382633238084);
  EXPECT_NEAR(precision.error, 0.09, 0.05);
  EXPECT_EQ(metrics::area_under_roc(n + 100, n).value, 1);
  EXPECT_EQ(metrics::average_precision(n + 100, n, Rng(1)).value, 1);
}

}  // namespace
}  // namespace kaem::test
