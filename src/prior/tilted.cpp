#include "kaem/prior/tilted.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>
#include <limits>
#include <numbers>

#include "kaem/mcmc/kernel.h"
#include "prior/reference_density.h"
#include "prior/view.h"

namespace kaem {
namespace {

using at::Tensor;

/// p ∝ π0 exp f with chains for draws; p0 is π0 on its domain.
struct TiltedView final : PriorView, WhiteCoordinates, TiltedBase {
  explicit TiltedView(TiltedPrior& deep) : prior_(deep), versions(versions_of(deep)) {}

  Tensor sample(int64_t n, const Rng& rng, Stream stream, int64_t step, int64_t first_index) const override {
    return sample_part(n, 0, n, rng, stream, step, first_index);
  }

  Tensor sample_part(int64_t n, int64_t first, int64_t all, const Rng& rng, Stream stream, int64_t step,
                     int64_t first_index) const override {
    const c10::AutoGradMode no_grad(false);
    // Every row has (iters + 1) numbers a coordinate: a call takes those of its rows, in the order of the steps.
    const DeepOptions& langevin = prior().langevin;
    int64_t index = first_index * (langevin.iters + 1) * prior().width() + first * prior().width();
    const Tensor start = prior().sample_reference(n, rng, stream, step, index);
    index += all * prior().width();
    mcmc::Draws draws;
    draws.normal = [&](at::IntArrayRef shape, at::TensorOptions draw_options) {
      const Tensor noise = rng.normal(stream, step, shape, draw_options, index);
      index += all * prior().width();
      return noise;
    };
    mcmc::Target target;
    target.prior = [this](const Tensor& z, mcmc::Want) {
      return mcmc::Value{{}, score(z.flatten(0, 2)).reshape_as(z)};
    };
    target.temperature = at::zeros({1}, start.options());
    std::tie(target.lower, target.upper) = prior().domain();
    mcmc::KernelOptions kernel_options;
    kernel_options.step_size = langevin.step_size;
    const mcmc::Kernel kernel = mcmc::ula(target, kernel_options);
    mcmc::State state = kernel.init(start.reshape({1, 1, n, -1}));
    for (int64_t i = 0; i < langevin.iters; ++i) state = kernel.step(state, draws).first;
    return state.z.reshape({n, -1});
  }

  Tensor log_prob(const Tensor& z) const override {
    const auto [a, b] = prior().domain();
    return minus_infinity_outside(z, unnormalised_log_prob(z.clamp(a, b)), {a, b});
  }

  Tensor score(const Tensor& z) const override {
    const Tensor slope = tilt(z).second;
    const ReferenceDensity& reference = *prior().reference;
    return reference.is_flat() ? slope : slope + reference.score(z);
  }

  Tensor weighted_log_prob(const Tensor& z, const Tensor& weight, const Rng& rng, int64_t step) const override {
    // E_p[∇(f + log π0)] = ∇ log Z, by fresh draws. The value is the difference of the two means: log Z is not known.
    const Tensor positive = (weight * unnormalised_log_prob(z)).sum();
    const int64_t draws = z.size(0);
    return positive - unnormalised_log_prob(
                          sample_part(draws, rng.first_of(draws), rng.all_of(draws), rng, Stream::kNegative, step, 0))
                          .mean();
  }

  const WhiteCoordinates* white() const override { return prior_.bounded() ? nullptr : this; }
  const TiltedBase* tilted() const override { return this; }

  std::pair<Tensor, Tensor> to_latent(const Tensor& y) const override {
    const c10::AutoGradMode no_grad(false);
    const auto [mean, scale] = *prior().reference->gaussian();
    const Tensor slope = scale.to(y.options()).expand_as(y);
    return {mean.to(y.options()) + slope * y, slope};
  }

  Tensor to_white(const Tensor& z) const override {
    const c10::AutoGradMode no_grad(false);
    const auto [mean, scale] = *prior().reference->gaussian();
    return (z - mean.to(z.options())) / scale.to(z.options());
  }

  std::pair<Tensor, Tensor> residual(const Tensor& z) const override { return tilt(z); }

  Tensor sample_base(int64_t n, const Rng& rng, Stream stream, int64_t step, int64_t first_index) const override {
    const c10::AutoGradMode no_grad(false);
    return prior().sample_reference(n, rng, stream, step, first_index * prior().width());
  }

  std::pair<Tensor, Tensor> base_density(const Tensor& z) const override {
    const c10::AutoGradMode no_grad(false);
    const ReferenceDensity& reference = *prior().reference;
    const auto [a, b] = reference.domain;
    double log_mass = 0;  // of π0 on its domain, per coordinate
    if (prior().reference_name == "lognormal") {
      const auto normal = [](double y) { return 0.5 * std::erfc(-y / std::numbers::sqrt2); };
      log_mass = std::log(normal(std::log(b)) - normal(std::log(a)));
    } else if (prior().bounded()) {
      log_mass = std::log(b - a);
    }
    const auto coordinates = static_cast<double>(prior().width());
    return {reference.log_density(z).sum(1) - coordinates * log_mass, reference.score(z)};
  }

  std::pair<Tensor, Tensor> tilt(const Tensor& z) const override {
    const c10::AutoGradMode no_grad(false);
    TiltedPrior& current = prior();
    if (!frozen_) frozen_ = current.freeze();
    return frozen_(z);
  }

  /// f(z) + log π0(z), [S]; differentiable.
  Tensor unnormalised_log_prob(const Tensor& z) const {
    const Tensor f = prior().energy(z);
    return prior_.reference->is_flat() ? f : f + prior_.reference->log_density(z).sum(1);
  }

 private:
  /// Error if a parameter was written to since this was made.
  TiltedPrior& prior() const {
    check_current(versions);
    return prior_;
  }

  TiltedPrior& prior_;
  Versions versions;
  mutable TiltedPrior::EnergyAndGradient frozen_;  ///< made when first asked for
};

}  // namespace

TiltedPrior::TiltedPrior(std::string name, const std::vector<double>& range, int64_t coordinates,
                         const DeepOptions& langevin_options)
    : langevin(langevin_options), reference_name(std::move(name)), width_(coordinates) {
  reference = register_module("reference", make_reference_density(reference_name, range, coordinates));
  bounded_ = !reference->gaussian();
  // As the float32 knots have them. (g++ 12 at -O2 drops a pair of casts to float and back.)
  const Tensor ends = at::tensor({reference->domain.first, reference->domain.second}, at::kFloat);
  reference->domain = {ends[0].item<double>(), ends[1].item<double>()};
}

TiltedPrior::EnergyAndGradient TiltedPrior::freeze() {
  return [this](const Tensor& z) {
    const c10::AutoGradMode with_graph(true);
    const Tensor input = z.detach().requires_grad_();
    const Tensor value = energy(input);
    const Tensor gradient = torch::autograd::grad({value.sum()}, {input})[0];
    return std::pair(value.detach(), gradient);
  };
}

std::pair<double, double> TiltedPrior::domain() const {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  return bounded_ ? reference->domain : std::pair(-infinity, infinity);
}

std::shared_ptr<const PriorView> TiltedPrior::view() { return std::make_shared<TiltedView>(*this); }

Tensor TiltedPrior::sample_reference(int64_t n, const Rng& rng, Stream stream, int64_t step, int64_t index) const {
  const at::TensorOptions number = parameters().front().options();
  const std::vector<int64_t> shape = {n, width_};
  if (bounded_) return reference->quantile(rng.uniform(stream, step, shape, number, index));
  const auto [mean, scale] = *reference->gaussian();
  return (mean + scale * rng.normal(stream, step, shape, number, index)).detach();
}

}  // namespace kaem
