#pragma once

#include <gtest/gtest.h>
#include <torch/types.h>

#include <cmath>
#include <string>
#include <vector>

#include "kaem/core/rng.h"
#include "kaem/mcmc/kernel.h"

/// Targets whose marginals, at every temperature, have closed-form distribution functions.
namespace kaem::mcmc::test {

/// Kolmogorov-Smirnov tests of the suite: 72 + 12 of the contract (exact kernels, ULA), 120 of invariance, 48 at
/// limits. Each fails with probability 1e-6/kKsTests at most, so that the suite's false-alarm rate is 1e-6.
constexpr double kKsTests = 252;

/// sup |ECDF(u) - u|.
inline double ks_distance(const at::Tensor& u) {
  const at::Tensor sorted = std::get<0>(u.flatten().sort());
  const double n = static_cast<double>(sorted.numel());
  const at::Tensor rank = torch::arange(sorted.numel(), torch::kDouble) / n;
  return std::max((sorted - rank).max().item<double>(), (rank + 1 / n - sorted).max().item<double>());
}

/// P(sup|ECDF - F| > d) of n draws, asymptotic, leading term: an upper bound.
inline double ks_p(double d, int64_t n) { return 2 * std::exp(-2 * static_cast<double>(n) * d * d); }

struct Case {
  std::string name;
  Target target;
  /// u uniform in (0,1) [T,B,N,D] -> exact draws.
  std::function<at::Tensor(const at::Tensor& u)> quantile;
  /// z -> independent uniforms [T,B,N,D] if z follows the target.
  std::function<at::Tensor(const at::Tensor& z)> distribution;
  /// What ULA of step size η follows, as a distribution function; empty on boxes.
  std::function<at::Tensor(const at::Tensor& z, double eta)> ula_distribution;
  double step_size = 0.1;    ///< one that mixes well
  double large_step = 1.0;   ///< one that is often rejected
  double large_delta = 1.0;  ///< the same for pCNL
  int64_t steps = 60;        ///< to forget an overdispersed start
  at::Tensor preconditioner;
};

constexpr int64_t kDim = 3;

inline at::Tensor row(const std::vector<double>& values) { return torch::tensor(values, torch::kDouble); }
inline at::Tensor temperatures(const Case& c) { return c.target.temperature.view({-1, 1, 1, 1}); }

/// Prior N(0, 1/prior) and ℓ = -½ likelihood w², in coordinates w = z·rotation.
inline Case gaussian(const std::string& name, const at::Tensor& temperature, const at::Tensor& prior,
                     const at::Tensor& likelihood, const at::Tensor& rotation) {
  const auto density = [rotation](const at::Tensor& precision) {
    return [=](const at::Tensor& z, Want) -> Value {
      const at::Tensor w = z.matmul(rotation.to(z.options())), scaled = precision.to(z.options()) * w;
      return {-0.5 * (scaled * w).sum(-1), -scaled.matmul(rotation.t().to(z.options()))};
    };
  };
  Case c;
  c.name = name;
  c.target = {.prior = density(prior), .likelihood = density(likelihood), .temperature = temperature};
  const at::Tensor precision = prior + temperatures(c) * likelihood;
  c.quantile = [=](const at::Tensor& u) { return (torch::special_ndtri(u) / precision.sqrt()).matmul(rotation.t()); };
  c.distribution = [=](const at::Tensor& z) { return torch::special_ndtr(z.matmul(rotation) * precision.sqrt()); };
  c.ula_distribution = [=](const at::Tensor& z, double eta) {
    return torch::special_ndtr(z.matmul(rotation) * (precision * (1 - 0.5 * eta * precision)).sqrt());
  };
  // Equal prior precisions: white coordinates are z up to a scale.
  const double scale = 1 / std::sqrt(prior[0].item<double>());
  c.target.whitening.to_latent = [scale](const at::Tensor& y) {
    return std::pair(scale * y, torch::full_like(y, scale));
  };
  c.target.whitening.to_white = [scale](const at::Tensor& z) { return z / scale; };
  return c;
}

/// A density per coordinate on [lower, upper] given by its distribution function F_t and quantile function.
inline Case box(const std::string& name, const at::Tensor& temperature, double lower, double upper) {
  Case c;
  c.name = name;
  c.target.temperature = temperature;
  c.target.lower = lower, c.target.upper = upper;
  return c;
}

/// Prior ∝ exp(2z), ℓ = 2z on [-1,1]; white coordinates of the whole prior.
inline Case exponential_case(const at::Tensor& temperature) {
  Case c = box("exponential", temperature, -1, 1);
  c.target.prior = c.target.likelihood = [](const at::Tensor& z, Want) -> Value {
    return {2 * z.sum(-1), torch::full_like(z, 2)};
  };
  const auto forward = [](const at::Tensor& z, const at::Tensor& rate) {
    return ((rate * z).exp() - (-rate).exp()) / (2 * rate.sinh());
  };
  const auto inverse = [](const at::Tensor& u, const at::Tensor& rate) {
    return (((-rate).exp() + 2 * u * rate.sinh()).log() / rate).clamp(-1, 1);
  };
  const at::Tensor rate = 2 + 2 * temperatures(c), two = torch::tensor(2.0, torch::kDouble);
  c.quantile = [=](const at::Tensor& u) { return inverse(u, rate); };
  c.distribution = [=](const at::Tensor& z) { return forward(z, rate); };
  c.target.whitening.to_latent = [=](const at::Tensor& y) {
    const at::Tensor z = inverse(torch::special_ndtr(y), two);
    const at::Tensor density = 2 * (2 * z).exp() / (2 * std::sinh(2.0));
    return std::pair(z, (-0.5 * y.square()).exp() / std::sqrt(2 * M_PI) / density);
  };
  c.target.whitening.to_white = [=](const at::Tensor& z) { return torch::special_ndtri(forward(z, two)); };
  return c;
}

/// Prior N(.3, 1) and ℓ = -1.5 (z - .3)² on [-1, 1.5]; white coordinates of the uniform density, the rest as residual.
inline Case truncated_gaussian(const at::Tensor& temperature) {
  constexpr double kLower = -1, kUpper = 1.5, kMean = 0.3;
  Case c = box("truncated", temperature, kLower, kUpper);
  const auto density = [](double precision) {
    return [=](const at::Tensor& z, Want) -> Value {
      return {-0.5 * precision * (z - kMean).square().sum(-1), -precision * (z - kMean)};
    };
  };
  c.target.prior = density(1), c.target.likelihood = density(3);
  const at::Tensor root = (1 + 3 * temperatures(c)).sqrt();
  const at::Tensor low = torch::special_ndtr((kLower - kMean) * root);
  const at::Tensor mass = torch::special_ndtr((kUpper - kMean) * root) - low;
  c.quantile = [=](const at::Tensor& u) { return kMean + torch::special_ndtri(low + mass * u) / root; };
  c.distribution = [=](const at::Tensor& z) { return (torch::special_ndtr((z - kMean) * root) - low) / mass; };
  c.target.whitening.to_latent = [](const at::Tensor& y) {
    const double width = kUpper - kLower;
    return std::pair(kLower + width * torch::special_ndtr(y), width * (-0.5 * y.square()).exp() / std::sqrt(2 * M_PI));
  };
  c.target.whitening.to_white = [](const at::Tensor& z) {
    return torch::special_ndtri((z - kLower) / (kUpper - kLower));
  };
  c.target.whitening.residual = c.target.prior;
  return c;
}

/// A fixed rotation of three axes.
inline at::Tensor rotation() {
  return std::get<0>(torch::linalg_qr(Rng(5).normal(Stream::kTest, 0, {kDim, kDim}, torch::kDouble)));
}

inline std::vector<Case> all_cases(const at::Tensor& temperature) {
  Case normal =
      gaussian("normal", temperature, row({0.5, 0.5, 0.5}), row({0.5, 0.5, 0.5}), torch::eye(kDim, torch::kDouble));
  normal.step_size = 0.5, normal.large_step = 1.2, normal.large_delta = 1.6;
  normal.preconditioner = row({0.6, 1.0, 1.3});
  // At t = 1 the variances are 1, .1 and .01.
  Case correlated = gaussian("correlated", temperature, row({1, 1, 1}), row({0, 9, 99}), rotation());
  correlated.step_size = 0.01, correlated.large_step = correlated.large_delta = 0.018, correlated.steps = 300;
  correlated.preconditioner = row({0.8, 1.0, 1.1});
  Case truncated = truncated_gaussian(temperature);
  truncated.step_size = 0.15, truncated.large_step = truncated.large_delta = 0.4,
  truncated.preconditioner = row({0.4, 1.0, 3.0});
  Case exponent = exponential_case(temperature);
  exponent.step_size = 0.1, exponent.large_step = 0.12, exponent.large_delta = 1.9, exponent.steps = 100,
  exponent.preconditioner = row({0.4, 1.0, 1.5});
  return {normal, correlated, truncated, exponent};
}

inline at::Tensor uniforms(int64_t step, at::IntArrayRef shape) {
  return Rng(17).uniform(Stream::kTest, step, shape, torch::kDouble);
}

/// Each temperature's and coordinate's p-value above the threshold.
inline void expect_uniform(const at::Tensor& u) {
  for (int64_t t = 0; t < u.size(0); ++t)
    for (int64_t d = 0; d < u.size(3); ++d) {
      const at::Tensor draws = u.select(0, t).select(2, d);
      const double distance = ks_distance(draws);
      EXPECT_GT(ks_p(distance, draws.numel()), 1e-6 / kKsTests)
          << "temperature " << t << ", coordinate " << d << ": KS distance " << distance;
    }
}

inline State run(const Kernel& kernel, State state, int64_t steps, Draws& draws, Info* info = nullptr) {
  for (int64_t k = 0; k < steps; ++k) {
    auto [next, next_info] = kernel.step(state, draws);
    state = next;
    if (info != nullptr) *info = next_info;
  }
  return state;
}

}  // namespace kaem::mcmc::test
