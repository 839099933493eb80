#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include "generator/generators.h"
#include "kaem/core/error.h"
#include "kaem/core/str.h"

namespace kaem {
namespace {

using at::Tensor;

/// Layers number their initial draws from here; the prior's layer is 0.
constexpr int64_t kFirstPurpose = 16;

/// KAN layers of widths q, hidden..., D. docs/mathematics.md section 3.
struct KanGenerator : Generator {
  KanGenerator(const GeneratorOptions& options, int64_t data_size, const Rng& rng) {
    std::vector<int64_t> widths = options.widths;
    widths.push_back(data_size);
    for (size_t l = 0; l + 1 < widths.size(); ++l) {
      const auto purpose = kFirstPurpose + static_cast<int64_t>(l);
      layers.push_back(
          register_module(str("layer", l), KanLayer(widths[l], widths[l + 1], options.basis, rng, purpose)));
      layers.back()->precision = options.precision.of_products();
    }
  }

  Tensor forward(const Tensor& u) override {
    Tensor x = u;
    for (auto& layer : layers) x = layer->forward(x);
    return x;
  }

  std::unique_ptr<FrozenGenerator> freeze() override;

  GridUpdate update_grid(const Tensor& u) override {
    const c10::AutoGradMode no_grad(false);
    GridUpdate done;
    Tensor x = u;
    for (auto& layer : layers) {
      done += layer->update_grid(x, /*keep_ends=*/false);
      x = layer->forward(x);
    }
    return done;
  }

  void initialise_grid(const Tensor& u) override {
    const c10::AutoGradMode no_grad(false);
    Tensor x = u;
    for (auto& layer : layers) {
      layer->initialise_grid(x, /*keep_ends=*/false);
      x = layer->forward(x);
    }
  }

  std::vector<KanLayer> layers;
};

/// Folded weights are made once; features' inputs are kept for the pullback.
struct FrozenKan : FrozenGenerator {
  explicit FrozenKan(const std::vector<KanLayer>& kan_layers) : layers(kan_layers) {
    const c10::AutoGradMode no_grad(false);
    for (const auto& layer : layers) {
      weights.push_back(ops::round_to(layer->weights().reshape({-1, layer->outputs}), layer->precision));
      bandwidths.push_back(layer->bandwidth());
    }
  }

  Tensor forward(const Tensor& u, const Tensor&) override {
    const c10::AutoGradMode no_grad(false);
    inputs = {u};
    for (size_t l = 0; l < layers.size(); ++l) {
      const Tensor features = ops::basis(inputs[l], layers[l]->knots(), bandwidths[l], layers[l]->spec);
      inputs.push_back(ops::product(features.flatten(1), weights[l], layers[l]->precision));
    }
    return inputs.back();
  }

  Tensor pullback(const Tensor& grad) override {
    const c10::AutoGradMode no_grad(false);
    Tensor pulled = grad;
    for (size_t l = layers.size(); l-- > 0;) {
      const KanLayerImpl& layer = *layers[l];
      const Tensor to_features = ops::product(pulled, weights[l].t(), layer.precision);
      pulled = ops::basis_pullback(to_features.unflatten(1, {layer.inputs, -1}), inputs[l], layer.knots(),
                                   bandwidths[l], layer.spec);
    }
    return pulled;
  }

  std::vector<KanLayer> layers;
  std::vector<Tensor> weights, bandwidths, inputs;
};

std::unique_ptr<FrozenGenerator> KanGenerator::freeze() { return std::make_unique<FrozenKan>(layers); }

}  // namespace

std::shared_ptr<Generator> make_kan_generator(const GeneratorOptions& options, int64_t data_size, const Rng& rng) {
  return std::make_shared<KanGenerator>(options, data_size, rng);
}

}  // namespace kaem
