// Exactness of the prior's draws, by Kolmogorov-Smirnov, and its densities and scores.
#include <algorithm>

#include "kaem/prior/prior.h"
#include "support/random_model.h"

namespace kaem::test {
namespace {

/// sup |ECDF - F| of draws [n] in units of F, by counting u = F(z) on a grid of 2^20 steps (error below 1e-6).
class EmpiricalDistribution {
 public:
  void add(const at::Tensor& u) {
    const at::Tensor index = (u * static_cast<double>(kBins)).floor().clamp(0, kBins - 1).to(torch::kLong);
    counts_ += torch::bincount(index, {}, kBins);
    total_ += u.numel();
  }
  void add(const EmpiricalDistribution& other) { counts_ += other.counts_, total_ += other.total_; }
  double distance() const {
    const at::Tensor ecdf = counts_.cumsum(0).to(torch::kDouble) / static_cast<double>(total_);
    const at::Tensor u = torch::arange(1, kBins + 1, torch::kDouble) / static_cast<double>(kBins);
    return (ecdf - u).abs().max().item<double>();
  }
  int64_t total() const { return total_; }

 private:
  static constexpr int64_t kBins = 1 << 20;
  at::Tensor counts_ = torch::zeros({kBins}, torch::kLong);
  int64_t total_ = 0;
};

/// F_true at z [n] by linear interpolation between the ends of the quadrature's panels.
at::Tensor interpolate(const at::Tensor& z, const at::Tensor& grid, const at::Tensor& cdf) {
  const at::Tensor right = torch::searchsorted(grid, z, false, true).clamp(1, grid.size(0) - 1), left = right - 1;
  const at::Tensor x0 = grid.take(left), width = (grid.take(right) - x0).clamp_min(1e-300);
  const at::Tensor share = ((z - x0) / width).clamp(0, 1);
  return cdf.take(left) + share * (cdf.take(right) - cdf.take(left));
}

/// P(sup|ECDF - F| > d) of n draws, asymptotic and Kolmogorov's leading term: an upper bound for p << 1.
double kolmogorov_p(double d, int64_t n) { return 2 * std::exp(-2 * static_cast<double>(n) * d * d); }

constexpr int64_t kDraws = 1'000'000;
/// Component tests below; the suite's false-alarm rate is 1e-6.
constexpr double kTests = 9 * 20;

// 10^6 draws of each of 20 components a basis, every component's KS p-value above 1e-6/180; and all 1.8e8 draws pooled
// within 3e-4 of uniform (for exact draws the distance is about 6e-5; P(> 3e-4) is 2 exp(-2 · 1.8e8 · 9e-8) = 2e-14).
TEST(PriorSampling, FollowsTheTrueDistribution) {
  EmpiricalDistribution pooled;
  for (const auto& basis : basis_names()) {
    SCOPED_TRACE(basis);
    const PriorCase c = {
        .basis = basis, .reference = "gaussian", .size = 10, .inputs = 4, .outputs = 5, .dtype = torch::kFloat};
    const auto prior = random_prior(c, 29);
    const auto view = prior->view();
    const Truth truth = quadrature(prior, c.reference, 20000);
    std::vector<EmpiricalDistribution> components(20);
    for (int64_t start = 0; start < kDraws; start += 50'000) {
      const at::Tensor z = view->sample(50'000, Rng(3), Stream::kTest, 0, start).flatten(1).to(torch::kDouble);
      for (int64_t k = 0; k < 20; ++k)
        components[k].add(
            interpolate(z.select(1, k).contiguous(), truth.z, truth.cdf.flatten(1).select(1, k).contiguous()));
    }
    for (const auto& component : components) {
      EXPECT_GT(kolmogorov_p(component.distance(), component.total()), 1e-6 / kTests) << component.distance();
      pooled.add(component);
    }
  }
  ASSERT_EQ(pooled.total(), 9 * 20 * kDraws);
  EXPECT_LE(pooled.distance(), 3e-4);
}

TEST(PriorSampling, LowDiscrepancyDrawsFollowItToo) {
  for (const auto& uniforms : {"sobol", "latin"}) {
    SCOPED_TRACE(uniforms);
    const PriorCase c = {.size = 5, .dtype = torch::kFloat, .uniforms = uniforms};
    const auto prior = random_prior(c, 31);
    const auto view = prior->view();
    const Truth truth = quadrature(prior, c.reference);
    std::vector<EmpiricalDistribution> components(6);
    for (int64_t step = 0; step < 64; ++step) {
      const at::Tensor z = view->sample(1024, Rng(3), Stream::kTest, step).flatten(1).to(torch::kDouble);
      for (int64_t k = 0; k < 6; ++k)
        components[k].add(
            interpolate(z.select(1, k).contiguous(), truth.z, truth.cdf.flatten(1).select(1, k).contiguous()));
    }
    // Better than independent draws of the same number, whose distance exceeds 0.002 with probability 0.9.
    for (const auto& component : components) EXPECT_LE(component.distance(), 1.5e-3);
  }
}

/// Variance of the mean of Σ_qp z_qp over 64 draws, over many repetitions.
double variance_of_means(const std::string& uniforms) {
  const auto prior = random_prior({.size = 3, .dtype = torch::kFloat, .uniforms = uniforms}, 5);
  const auto view = prior->view();
  at::Tensor means = torch::empty({400}, torch::kDouble);
  for (int64_t step = 0; step < 400; ++step)
    means[step] = view->sample(64, Rng(9), Stream::kTest, step).to(torch::kDouble).sum({1, 2}).mean();
  return means.var().item<double>();
}

TEST(PriorSampling, LowDiscrepancyDrawsLowerTheVarianceOfAdditiveFunctionals) {
  const double independent = variance_of_means("independent");
  EXPECT_LT(variance_of_means("sobol"), independent / 20);
  EXPECT_LT(variance_of_means("latin"), independent / 20);
}

TEST(PriorSampling, DependsOnSeedStepAndIndexAlone) {
  const auto prior = random_prior({.dtype = torch::kFloat}, 5);
  const at::Tensor whole = prior->view()->sample(10, Rng(4), Stream::kTest, 2);
  EXPECT_TRUE(torch::equal(whole.slice(0, 6), prior->view()->sample(4, Rng(4), Stream::kTest, 2, 6)));
  EXPECT_FALSE(torch::equal(whole, prior->view()->sample(10, Rng(4), Stream::kTest, 3)));
  EXPECT_FALSE(torch::equal(whole, prior->view()->sample(10, Rng(5), Stream::kTest, 2)));
}

TEST(PriorDensity, SumsTheComponentsAndEndsAtTheDomain) {
  for (const auto& reference : {"ebm", "uniform", "gaussian", "lognormal", "learnable_gaussian"}) {
    SCOPED_TRACE(reference);
    const auto prior = random_prior({.reference = reference, .size = 4}, 7);
    const Truth truth = quadrature(prior, reference);
    const at::Tensor z = prior->view()->sample(20, Rng(2), Stream::kTest, 0);
    const at::Tensor expected = densities(prior, reference, z, truth).log().sum({1, 2});
    EXPECT_LE((prior->view()->log_prob(z) - expected).abs().max().item<double>(), 1e-4);
    at::Tensor outside = z.clone();
    outside[3][0][0] = prior->domain().second + 1e-3;
    const at::Tensor log_prob = prior->view()->log_prob(outside);
    EXPECT_TRUE(std::isinf(log_prob[3].item<double>()));
    EXPECT_TRUE(std::isfinite(log_prob[2].item<double>()));
  }
}

TEST(PriorDensity, ScoreIsItsDerivative) {
  for (const auto& basis : basis_names())
    for (const auto& reference : {"ebm", "uniform", "gaussian", "lognormal", "learnable_gaussian"}) {
      SCOPED_TRACE(str(basis, " ", reference));
      const auto prior = random_prior({.basis = basis, .reference = reference, .size = 4}, 7);
      const auto [a, b] = prior->domain();
      at::Tensor z = prior->view()->sample(20, Rng(2), Stream::kTest, 0).clamp(a + 0.01, b - 0.01);
      const at::Tensor score = prior->view()->score(z);
      constexpr double kStep = 1e-5;
      for (int64_t q = 0; q < 3; ++q)
        for (int64_t p = 0; p < 2; ++p) {
          const torch::NoGradGuard no_grad;
          at::Tensor up = z.clone(), down = z.clone();
          up.select(1, q).select(1, p).add_(kStep), down.select(1, q).select(1, p).sub_(kStep);
          const at::Tensor slope = (prior->view()->log_prob(up) - prior->view()->log_prob(down)) / (2 * kStep);
          const double bound = 1e-5 * (1 + score.abs().max().item<double>());
          EXPECT_LE((score.select(1, q).select(1, p) - slope).abs().max().item<double>(), bound);
        }
    }
}

TEST(PriorDensity, BackwardCanBeCalledAgain) {
  const auto prior = random_prior({.size = 4}, 7);
  const at::Tensor z = prior->view()->sample(4, Rng(2), Stream::kTest, 0);
  prior->view()->log_prob(z).sum().backward();
  const at::Tensor first = layer_of(prior)->coefficients.grad().clone();
  prior->view()->log_prob(z).sum().backward();
  EXPECT_TRUE(torch::allclose(layer_of(prior)->coefficients.grad(), 2 * first));
}

TEST(PriorFeatures, AreSumsCentredByTheMeanOfTheReference) {
  const auto below = [](double x) { return 0.5 * std::erfc(-x / std::numbers::sqrt2); };
  const double end = std::log(4.0);
  const double lognormal = std::exp(0.5) * (below(end - 1) - below(-7)) / (below(end) - below(-6));
  const auto shift_of = [](const std::string& reference) {
    const auto prior = random_prior({.reference = reference}, 3);
    const at::Tensor z = prior->view()->sample(30, Rng(2), Stream::kTest, 0), shift = z.sum(-1) - prior->features(z);
    EXPECT_LT((shift - shift.mean()).abs().max().item<double>(), 1e-5) << reference;
    return shift.mean().item<double>() / static_cast<double>(z.size(2));
  };
  EXPECT_NEAR(shift_of("uniform"), 0.5, 1e-6);
  EXPECT_NEAR(shift_of("lognormal"), lognormal, 1e-5);
  for (const char* symmetric : {"ebm", "gaussian", "learnable_gaussian"})
    EXPECT_EQ(shift_of(symmetric), 0) << symmetric;
}

}  // namespace
}  // namespace kaem::test
