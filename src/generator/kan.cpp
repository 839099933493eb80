#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include "generator/generators.h"
#include "kaem/core/error.h"
#include "kaem/core/str.h"
#include "kaem/kan/norm.h"

namespace kaem {
namespace {

using at::Tensor;

/// A KAN layer, and the layer norm before it if there is one.
struct Step {
  KanLayer layer{nullptr};
  Tensor scale, shift;

  Tensor enter(const Tensor& x) const { return scale.defined() ? layer_norm(x, scale, shift) : x; }
  Tensor enter_pullback(const Tensor& x, const Tensor& grad) const {
    return scale.defined() ? layer_norm_pullback(x, scale, grad) : grad;
  }
};

/// KAN layers of widths q, hidden..., D. docs/mathematics.md section 3.
struct KanGenerator : Generator {
  KanGenerator(const GeneratorOptions& options, int64_t data_size, const Rng& rng) {
    std::vector<int64_t> widths = options.widths;
    widths.push_back(data_size);
    const InitialDraws draws(rng, "generator");
    for (size_t l = 0; l + 1 < widths.size(); ++l) {
      Step step;
      const std::string name = str("layer", l);
      step.layer = register_module(name, KanLayer(widths[l], widths[l + 1], options.basis, draws.of(name)));
      step.layer->precision = options.precision.of_products();
      if (options.layernorm) {
        step.scale = register_parameter(str("norm_scale", l), at::ones({widths[l]}));
        step.shift = register_parameter(str("norm_shift", l), at::zeros({widths[l]}));
      }
      steps.push_back(step);
    }
  }

  Tensor forward(const Tensor& u) override {
    Tensor x = u;
    for (auto& step : steps) x = step.layer->forward(step.enter(x));
    return x;
  }

  std::unique_ptr<FrozenGenerator> freeze() override;

  GridUpdate update_grid(const Tensor& u) override {
    const c10::AutoGradMode no_grad(false);
    GridUpdate done;
    Tensor x = u;
    for (auto& step : steps) {
      x = step.enter(x);
      done += step.layer->update_grid(x, /*keep_ends=*/false);
      x = step.layer->forward(x);
    }
    return done;
  }

  void initialise_grid(const Tensor& u) override {
    const c10::AutoGradMode no_grad(false);
    Tensor x = u;
    for (auto& step : steps) {
      x = step.enter(x);
      step.layer->initialise_grid(x, /*keep_ends=*/false);
      x = step.layer->forward(x);
    }
  }

  std::vector<Step> steps;
};

/// What the layers are given is kept for the pullback.
struct FrozenKan : FrozenGenerator {
  explicit FrozenKan(const std::vector<Step>& generator_steps) : steps(generator_steps) {
    for (const auto& step : steps) layers.emplace_back(step.layer);
  }

  Tensor forward(const Tensor& u, const Tensor&) override {
    const c10::AutoGradMode no_grad(false);
    inputs.clear(), entered.clear();
    Tensor x = u;
    for (size_t l = 0; l < steps.size(); ++l) {
      inputs.push_back(x), entered.push_back(steps[l].enter(x));
      x = layers[l].forward(entered[l]);
    }
    return x;
  }

  Tensor pullback(const Tensor& grad) override {
    const c10::AutoGradMode no_grad(false);
    Tensor pulled = grad;
    for (size_t l = steps.size(); l-- > 0;)
      pulled = steps[l].enter_pullback(inputs[l], layers[l].pullback(entered[l], pulled));
    return pulled;
  }

  std::vector<Step> steps;
  std::vector<FrozenKanLayer> layers;
  std::vector<Tensor> inputs, entered;
};

std::unique_ptr<FrozenGenerator> KanGenerator::freeze() { return std::make_unique<FrozenKan>(steps); }

}  // namespace

std::shared_ptr<Generator> make_kan_generator(const GeneratorOptions& options, int64_t data_size, const Rng& rng) {
  return std::make_shared<KanGenerator>(options, data_size, rng);
}

}  // namespace kaem
