#include "prior/reference_density.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <array>
#include <cmath>
#include <numbers>

#include "kaem/core/table.h"

namespace kaem {
namespace {

using at::Tensor;

const double kLogSqrt2Pi = 0.5 * std::log(2 * std::numbers::pi);

struct Flat : ReferenceDensity {
  Tensor log_density(const Tensor& z) const override { return at::zeros_like(z); }
  Tensor score(const Tensor& z) const override { return at::zeros_like(z); }
  Tensor quantile(const Tensor& u) const override { return domain.first + (domain.second - domain.first) * u; }
  bool is_flat() const override { return true; }
};

struct Gaussian : ReferenceDensity {
  Tensor log_density(const Tensor& z) const override { return -0.5 * z.square() - kLogSqrt2Pi; }
  Tensor score(const Tensor& z) const override { return -z.detach(); }
  Tensor quantile(const Tensor& u) const override { return at::special_ndtri(u); }
  std::optional<std::pair<Tensor, Tensor>> gaussian() const override { return std::pair(at::zeros({}), at::ones({})); }
};

/// 1/(z √(2π)) exp(-(log z)²/2).
struct LogNormal : ReferenceDensity {
  Tensor log_density(const Tensor& z) const override {
    const Tensor log_z = z.log();
    return -log_z - 0.5 * log_z.square() - kLogSqrt2Pi;
  }
  Tensor score(const Tensor& z) const override { return -(1 + z.detach().log()) / z.detach(); }
  Tensor quantile(const Tensor& u) const override {
    const auto below = [](double x) { return 0.5 * std::erfc(-std::log(x) / std::numbers::sqrt2); };
    const double low = below(domain.first), high = below(domain.second);
    return at::special_ndtri(low + (high - low) * u).exp().clamp(domain.first, domain.second);
  }
};

/// A Gaussian whose mean and scale are trained for each input.
struct LearnableGaussian : ReferenceDensity {
  explicit LearnableGaussian(int64_t inputs) {
    mean = register_parameter("mean", at::zeros({inputs}));
    log_scale = register_parameter("log_scale", at::zeros({inputs}));
  }
  /// Not below a two-hundredth of the domain, so that the table's cells resolve it.
  Tensor scale() const { return log_scale.exp().clamp_min((domain.second - domain.first) / 200); }
  Tensor log_density(const Tensor& z) const override {
    const Tensor s = scale();
    return -0.5 * ((z - mean) / s).square() - s.log() - kLogSqrt2Pi;
  }
  Tensor score(const Tensor& z) const override {
    const c10::AutoGradMode no_grad(false);
    return (mean - z) / scale().square();
  }
  Tensor quantile(const Tensor& u) const override {
    const c10::AutoGradMode no_grad(false);
    return mean + scale() * at::special_ndtri(u);
  }
  std::optional<std::pair<Tensor, Tensor>> gaussian() const override { return std::pair(mean, scale()); }
  Tensor mean, log_scale;
};

using MakeDensity = std::shared_ptr<ReferenceDensity> (*)(int64_t inputs);

struct Row {
  MakeDensity make;
  bool own_domain;
  double low, high;
};

template <class Density>
std::shared_ptr<ReferenceDensity> make_fixed(int64_t) {
  return std::make_shared<Density>();
}
std::shared_ptr<ReferenceDensity> make_learnable(int64_t inputs) { return std::make_shared<LearnableGaussian>(inputs); }

const auto kDensities = std::to_array<Named<Row>>({
    {"ebm", {make_fixed<Flat>, false, 0, 0}},
    {"uniform", {make_fixed<Flat>, true, 0, 1}},
    {"gaussian", {make_fixed<Gaussian>, false, 0, 0}},
    {"lognormal", {make_fixed<LogNormal>, true, std::exp(-6.0), 4}},
    {"learnable_gaussian", {make_learnable, false, 0, 0}},
});

}  // namespace

std::shared_ptr<ReferenceDensity> make_reference_density(const std::string& name, const std::vector<double>& grid_range,
                                                         int64_t inputs) {
  const Row& row = find(kDensities, "π_0", name);
  auto density = row.make(inputs);
  density->domain = row.own_domain ? std::pair(row.low, row.high) : std::pair(grid_range.at(0), grid_range.at(1));
  return density;
}

double mean_of(const ReferenceDensity& reference, int64_t inputs) {
  constexpr int64_t kPoints = 4096;
  constexpr double kNothing = 1e-9;
  const c10::AutoGradMode no_grad(false);
  const auto [low, high] = reference.domain;
  const Tensor z = low + (high - low) / kPoints * (at::arange(kPoints, at::kDouble) + 0.5);
  const Tensor points = z.unsqueeze(1).expand({kPoints, inputs});
  const double mean = (reference.log_density(points).softmax(0) * points).sum(0).mean().item<double>();
  return std::abs(mean) < kNothing * (high - low) ? 0 : mean;
}

}  // namespace kaem
