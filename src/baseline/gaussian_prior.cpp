#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <cmath>
#include <limits>
#include <numbers>

#include "baseline/parts.h"
#include "kaem/prior/curves.h"
#include "kaem/prior/prior.h"

namespace kaem::baseline {
namespace {

using at::Tensor;

const double kHalfLogTwoPi = 0.5 * std::log(2 * std::numbers::pi);
constexpr double kWidest = 5;  // of the curves

/// It has no parameters: a view never ends.
struct GaussianView final : PriorView, CoordinateDistribution, WhiteCoordinates {
  GaussianView(int64_t coordinates, at::TensorOptions number) : width(coordinates), options(number) {}

  Tensor sample(int64_t n, const Rng& rng, Stream stream, int64_t step, int64_t first_index) const override {
    const c10::AutoGradMode no_grad(false);
    return rng.normal(stream, step, {n, width}, options, first_index * width);
  }

  Tensor log_prob(const Tensor& z) const override {
    return -0.5 * z.square().sum(1) - kHalfLogTwoPi * static_cast<double>(width);
  }

  Tensor score(const Tensor& z) const override { return -z.detach(); }

  Tensor weighted_log_prob(const Tensor& z, const Tensor& weight, const Rng&, int64_t) const override {
    return (weight * log_prob(z)).sum();
  }

  const CoordinateDistribution* distribution() const override { return this; }
  const WhiteCoordinates* white() const override { return this; }

  Tensor cdf(const Tensor& z) const override { return at::special_ndtr(z); }
  Tensor icdf(const Tensor& u) const override {
    const c10::AutoGradMode no_grad(false);
    return at::special_ndtri(u);
  }

  PriorCurves curves(int64_t points) const override {
    const Tensor z = at::linspace(-kWidest, kWidest, points, options.dtype(at::kDouble).device(at::kCPU));
    const auto of_all = [&](const Tensor& t) { return t.reshape({-1, 1, 1}).expand({points, width, 1}); };
    const Tensor log_density = -0.5 * z.square() - kHalfLogTwoPi;
    return {z, of_all(at::zeros_like(z)), of_all(log_density), of_all(log_density.exp()), of_all(at::special_ndtr(z))};
  }

  std::pair<Tensor, Tensor> to_latent(const Tensor& y) const override { return {y, at::ones_like(y)}; }
  Tensor to_white(const Tensor& z) const override { return z; }

  int64_t width;
  at::TensorOptions options;
};

struct GaussianPrior final : Prior {
  explicit GaussianPrior(int64_t coordinates) : width(coordinates) {
    device_of = register_buffer("width", at::full({}, static_cast<double>(width)));
  }

  std::shared_ptr<const PriorView> view() override {
    return std::make_shared<GaussianView>(width, device_of.options());
  }
  std::vector<int64_t> latent_shape() const override { return {width}; }
  GridUpdate update_grid(const Tensor&) override { return {}; }
  ops::Recordable recordable() const override { return ops::Recordable::kAll; }
  Tensor features(const Tensor& z) const override { return z; }
  Tensor features_pullback(const Tensor& grad) const override { return grad; }
  std::pair<double, double> domain() const override {
    constexpr double infinity = std::numeric_limits<double>::infinity();
    return {-infinity, infinity};
  }

  int64_t width;
  Tensor device_of;  ///< says where draws are wanted
};

}  // namespace

std::shared_ptr<Prior> make_gaussian_prior(int64_t width) { return std::make_shared<GaussianPrior>(width); }

}  // namespace kaem::baseline
