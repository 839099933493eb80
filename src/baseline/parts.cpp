#include "baseline/parts.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <torch/nn/modules/linear.h>

#include <algorithm>
#include <cmath>

#include "kaem/core/error.h"
#include "kaem/core/str.h"

namespace kaem::baseline {
namespace {

using at::Tensor;

struct DenseGenerator : Generator {
  DenseGenerator(const std::vector<int64_t>& widths, int64_t latent, int64_t outputs, const Rng& rng) {
    int64_t width = latent;
    const auto add = [&](int64_t next) {
      layers.push_back(register_module(str("dense", layers.size()), torch::nn::Linear(width, next)));
      width = next;
    };
    for (const int64_t hidden : widths) add(hidden);
    add(outputs);
    initialise(*this, InitialDraws(rng, "generator"));
  }

  Tensor forward(const Tensor& u) override {
    Tensor h = u;
    for (size_t l = 0; l + 1 < layers.size(); ++l) h = at::leaky_relu(layers[l]->forward(h), kSlope);
    return layers.back()->forward(h);
  }

  std::unique_ptr<FrozenGenerator> freeze() override { return freeze_by_autograd(*this); }

  std::vector<torch::nn::Linear> layers;
};

struct ImplicitLikelihood : Likelihood {
  explicit ImplicitLikelihood(bool by_tanh) : tanh(by_tanh) {}

  bool has_density() const override { return false; }
  Tensor activate(const Tensor& generated) const override {
    return tanh ? at::sigmoid(2 * generated) : (generated.clamp(-1, 1) + 1) / 2;
  }
  Tensor draw(const Tensor& generated, const Rng&, Stream, int64_t) const override { return activate(generated); }
  Tensor all_pairs(const Tensor&, const Tensor&) const override { refuse(); }
  std::pair<Tensor, Tensor> value_and_gradient(const Tensor&, const Tensor&) const override { refuse(); }
  Tensor weighted_all_pairs(const Tensor&, const Tensor&, const Tensor&) const override { refuse(); }
  Tensor weighted_own(const Tensor&, const Tensor&, const Tensor&) const override { refuse(); }

  [[noreturn]] static void refuse() { throw Error("this model has no density p(x|z)"); }

  bool tanh;
};

/// Layers of the stack that leads to the image.
size_t layer_count(const Decoder& decoder) { return decoder.layers.channels.size() + (decoder.extra_layer ? 1 : 0); }

}  // namespace

int64_t entry(const std::vector<int64_t>& values, size_t layer, size_t layers, std::string_view key) {
  if (values.size() != 1 && values.size() != layers)
    throw ConfigError(str(key, ": expected one number, or one for each of ", layers, " layers, got ", values.size()));
  return values.size() == 1 ? values[0] : values[layer];
}

int64_t latent_of(int64_t wanted, const Decoder& decoder, const GeneratorOptions& shared) {
  const bool kan = decoder.kind == "kan";
  if ((kan || wanted == 0) && shared.widths.empty())
    throw ConfigError("[GeneratorModel] widths: expected at least one width");
  if (kan && wanted > 0 && wanted != shared.widths.front())
    throw ConfigError(str("[", decoder.section, "] latent_dim = ", wanted, ": KAN layers take ", shared.widths.front(),
                          ", the first of [GeneratorModel] widths; expected that number, or 0, which means it"));
  return wanted > 0 ? wanted : shared.widths.front();
}

void settle_layers(const Decoder& decoder, GeneratorOptions& shared) {
  CnnOptions& cnn = shared.cnn;
  cnn = {};
  cnn.use = decoder.kind == "cnn";
  if (!cnn.use) return;
  const auto& channels = decoder.layers.channels;
  if (channels.size() < (decoder.extra_layer ? 1u : 2u))
    throw ConfigError(str("[", decoder.section, "] ", decoder.keys, "_channels: expected two layers or more"));
  cnn.dims.assign(channels.begin(), decoder.extra_layer ? channels.end() : channels.end() - 1);
  cnn.projection = true, cnn.batchnorm = decoder.batchnorm, cnn.leakyrelu_slope = kSlope;
  cnn.strides.clear(), cnn.kernels.clear(), cnn.paddings.clear();
  const size_t count = layer_count(decoder);
  const auto of = [&](const char* what) { return str("[", decoder.section, "] ", decoder.keys, what); };
  for (size_t l = 0; l < count; ++l) {
    cnn.strides.push_back(entry(decoder.layers.strides, l, count, of("_strides")));
    cnn.kernels.push_back(entry(decoder.layers.kernels, l, count, of("_kernels")));
    cnn.paddings.push_back(entry(decoder.layers.paddings, l, count, of("_paddings")));
  }
}

std::shared_ptr<Generator> make_decoder(const Decoder& decoder, const GeneratorOptions& shared, int64_t latent,
                                        const DataShape& shape, const Rng& rng) {
  if (decoder.kind == "dense") return make_dense_generator(decoder.widths, latent, shape[0] * shape[1] * shape[2], rng);
  GeneratorOptions options = shared;
  if (decoder.kind == "cnn") {
    int64_t growth = 1;
    for (const int64_t stride : options.cnn.strides) growth *= stride;
    options.cnn.init_spatial = (std::max(shape[1], shape[2]) + growth - 1) / growth;
  }
  try {
    return make_generator(options, latent, shape, rng);
  } catch (const ConfigError& e) {
    throw ConfigError(str("[", decoder.section, "]: as the layers that it lists, ", e.what()));
  }
}

std::shared_ptr<Generator> make_dense_generator(const std::vector<int64_t>& widths, int64_t latent, int64_t outputs,
                                                const Rng& rng) {
  return std::make_shared<DenseGenerator>(widths, latent, outputs, rng);
}

std::shared_ptr<Likelihood> make_implicit_likelihood(bool tanh) { return std::make_shared<ImplicitLikelihood>(tanh); }

void initialise(torch::nn::Module& module, const InitialDraws& draws) {
  const c10::AutoGradMode no_grad(false);
  for (const auto& layer : module.named_modules("", /*include_self=*/false)) {
    auto own = layer.value()->named_parameters(/*recurse=*/false);
    const Tensor* weight = own.find("weight");
    if (weight == nullptr || weight->dim() < 2) continue;  // norms begin as they are
    const double bound = std::sqrt(static_cast<double>(weight->size(0)) / static_cast<double>(weight->numel()));
    for (auto& p : own)
      p.value().copy_(bound * (2 * draws.uniform(str(layer.key(), ".", p.key()), p.value().sizes()) - 1));
  }
}

}  // namespace kaem::baseline
