#include "prior/deep.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <cmath>
#include <limits>
#include <numbers>

#include "kaem/core/error.h"
#include "kaem/core/str.h"
#include "kaem/kan/norm.h"
#include "kaem/mcmc/kernel.h"
#include "prior/view.h"

namespace kaem {
namespace {

using at::Tensor;

constexpr size_t kMostLayers = 16;

/// p ∝ π0 exp f with chains for draws; p0 is π0 on its domain.
struct DeepView final : PriorView, WhiteCoordinates, TiltedBase {
  explicit DeepView(DeepPrior& deep) : prior_(deep), versions(versions_of(deep)) {}

  Tensor sample(int64_t n, const Rng& rng, Stream stream, int64_t step, int64_t first_index) const override {
    const c10::AutoGradMode no_grad(false);
    // Every row has (iters + 1) numbers a coordinate: a call takes those of its rows, in the order of the steps.
    const DeepOptions& langevin = prior().options.deep;
    int64_t index = first_index * (langevin.iters + 1) * prior().layers[0]->inputs;
    const Tensor start = prior().sample_reference(n, rng, stream, step, index);
    index += start.numel();
    mcmc::Draws draws;
    draws.normal = [&](at::IntArrayRef shape, at::TensorOptions draw_options) {
      const Tensor noise = rng.normal(stream, step, shape, draw_options, index);
      index += noise.numel();
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
    return positive - unnormalised_log_prob(sample(z.size(0), rng, Stream::kNegative, step, 0)).mean();
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
    return prior().sample_reference(n, rng, stream, step, first_index * prior().layers[0]->inputs);
  }

  std::pair<Tensor, Tensor> base_density(const Tensor& z) const override {
    const c10::AutoGradMode no_grad(false);
    const ReferenceDensity& reference = *prior().reference;
    const auto [a, b] = reference.domain;
    double log_mass = 0;  // of π0 on its domain, per coordinate
    if (prior().options.reference == "lognormal") {
      const auto normal = [](double y) { return 0.5 * std::erfc(-y / std::numbers::sqrt2); };
      log_mass = std::log(normal(std::log(b)) - normal(std::log(a)));
    } else if (prior().bounded()) {
      log_mass = std::log(b - a);
    }
    const auto coordinates = static_cast<double>(prior().layers[0]->inputs);
    return {reference.log_density(z).sum(1) - coordinates * log_mass, reference.score(z)};
  }

  /// f and ∇f without a graph.
  std::pair<Tensor, Tensor> tilt(const Tensor& z) const override {
    const c10::AutoGradMode no_grad(false);
    auto& layers = prior().layers;
    std::vector<Tensor> values = {z}, entered;
    for (size_t l = 0; l < layers.size(); ++l) {
      entered.push_back(prior_.enter(l, values[l]));
      values.push_back(layers[l]->forward(entered[l]));
    }
    Tensor grad = at::ones_like(values.back());
    for (size_t l = layers.size(); l-- > 0;)
      grad = prior_.enter_pullback(l, values[l], layers[l]->input_gradient(entered[l], grad));
    return {values.back().sum(1), grad};
  }

  /// f(z) + log π0(z), [S]; differentiable.
  Tensor unnormalised_log_prob(const Tensor& z) const {
    Tensor h = z;
    for (size_t l = 0; l < prior().layers.size(); ++l) h = prior_.layers[l]->forward(prior_.enter(l, h));
    const Tensor f = h.sum(1);
    return prior_.reference->is_flat() ? f : f + prior_.reference->log_density(z).sum(1);
  }

 private:
  /// Error if a parameter was written to since this was made.
  DeepPrior& prior() const {
    check_current(versions);
    return prior_;
  }

  DeepPrior& prior_;
  Versions versions;
};

}  // namespace

DeepPrior::DeepPrior(const PriorOptions& prior_options, const Rng& rng) : options(prior_options), rng_(rng) {
  const auto& widths = options.layer_widths;
  if (widths.size() < 3 || widths.size() > kMostLayers + 1)
    throw ConfigError(str("[EbmModel] layer_widths: expected 3 to ", kMostLayers + 1, " numbers for a deep prior, got ",
                          widths.size()));
  reference =
      register_module("reference", make_reference_density(options.reference, options.basis.grid_range, widths[0]));
  bounded_ = !reference->gaussian();
  // As the float32 knots have them. (g++ 12 at -O2 drops a pair of casts to float and back.)
  const Tensor ends = at::tensor({reference->domain.first, reference->domain.second}, at::kFloat);
  reference->domain = {ends[0].item<double>(), ends[1].item<double>()};
  for (size_t l = 0; l + 1 < widths.size(); ++l) {
    const KanLayer layer(widths[l], widths[l + 1], options.basis, InitialDraws(rng, str("prior.layer", l)));
    layers.push_back(register_module(str("layer", l), layer));
    if (!options.layernorm) continue;
    norm_scale.push_back(register_parameter(str("norm_scale", l), at::ones({widths[l]})));
    norm_shift.push_back(register_parameter(str("norm_shift", l), at::zeros({widths[l]})));
  }
  if (bounded_ && !options.layernorm) layers[0]->reset_domain(reference->domain.first, reference->domain.second);
}

std::pair<double, double> DeepPrior::domain() const {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  return bounded_ ? reference->domain : std::pair(-infinity, infinity);
}

Tensor DeepPrior::enter(size_t l, const Tensor& h) const {
  return options.layernorm ? layer_norm(h, norm_scale[l], norm_shift[l]) : h;
}

Tensor DeepPrior::enter_pullback(size_t l, const Tensor& h, const Tensor& grad) const {
  return options.layernorm ? layer_norm_pullback(h, norm_scale[l], grad) : grad;
}

std::shared_ptr<const PriorView> DeepPrior::view() { return std::make_shared<DeepView>(*this); }

Tensor DeepPrior::sample_reference(int64_t n, const Rng& rng, Stream stream, int64_t step, int64_t index) const {
  const auto options_of_draws = layers[0]->coefficients.options();
  const std::vector<int64_t> shape = {n, layers[0]->inputs};
  if (bounded_) return reference->quantile(rng.uniform(stream, step, shape, options_of_draws, index));
  const auto [mean, scale] = *reference->gaussian();
  return (mean + scale * rng.normal(stream, step, shape, options_of_draws, index)).detach();
}

GridUpdate DeepPrior::update_grid(const Tensor& z) {
  const c10::AutoGradMode no_grad(false);
  GridUpdate done;
  Tensor h = z;
  for (size_t l = 0; l < layers.size(); ++l) {
    const Tensor x = enter(l, h);
    done += layers[l]->update_grid(x, /*keep_ends=*/l == 0 && bounded_ && !options.layernorm);
    h = layers[l]->forward(x);
  }
  return done;
}

void DeepPrior::initialise_grid() {
  const c10::AutoGradMode no_grad(false);
  constexpr int64_t kDraws = 1000;
  Tensor h = sample_reference(kDraws, rng_, Stream::kGrid, -1, 0);
  for (size_t l = 0; l < layers.size(); ++l) {
    const Tensor x = enter(l, h);
    if (l > 0 || !bounded_ || options.layernorm) layers[l]->initialise_grid(x, /*keep_ends=*/false);
    h = layers[l]->forward(x);
  }
}

}  // namespace kaem
