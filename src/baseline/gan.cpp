#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/linear.h>

#include <algorithm>

#include "baseline/parts.h"
#include "baseline/rows.h"
#include "baseline/training.h"
#include "kaem/core/error.h"
#include "kaem/core/str.h"
#include "kaem/model/model.h"
#include "kaem/objective/options.h"
#include "kaem/prior/prior.h"

namespace kaem::baseline {
namespace {

using at::Tensor;

/// Strided convolutions and a linear layer: images [n,C,H,W] in [-1,1] -> the logit that they are data, [n].
struct Discriminator : torch::nn::Module {
  Discriminator(const ConvolutionOptions& options, const DataShape& shape, const Rng& rng) {
    int64_t channels = shape[0], height = shape[1], width = shape[2];
    const size_t count = options.channels.size();
    for (size_t l = 0; l < count; ++l) {
      const int64_t stride = entry(options.strides, l, count, "[GAN] discriminator_strides"),
                    kernel = entry(options.kernels, l, count, "[GAN] discriminator_kernels"),
                    padding = entry(options.paddings, l, count, "[GAN] discriminator_paddings");
      const bool fits = std::min(height, width) + 2 * padding >= kernel;
      height = (height + 2 * padding - kernel) / stride + 1, width = (width + 2 * padding - kernel) / stride + 1;
      if (!fits)
        throw ConfigError(str("[GAN] discriminator_channels: nothing is left of a ", shape[1], "x", shape[2],
                              " image after ", l + 1, " convolutions; choose fewer, or smaller strides"));
      layers.push_back(register_module(
          str("conv", l),
          torch::nn::Conv2d(
              torch::nn::Conv2dOptions(channels, options.channels[l], kernel).stride(stride).padding(padding))));
      channels = options.channels[l];
    }
    logit = register_module("logit", torch::nn::Linear(channels * height * width, 1));
    initialise(*this, InitialDraws(rng, "discriminator"));
  }

  Tensor forward(const Tensor& x) {
    Tensor h = x;
    for (auto& layer : layers) h = at::leaky_relu(layer->forward(h), kSlope);
    return logit->forward(h.flatten(1)).squeeze(1);
  }

  std::vector<torch::nn::Conv2d> layers;
  torch::nn::Linear logit{nullptr};
};

/// The image's generator, with what it is trained against beside it.
struct GanGenerator : Generator {
  GanGenerator(std::shared_ptr<Generator> made, std::shared_ptr<Discriminator> against) {
    image = register_module("image", std::move(made));
    discriminator = register_module("discriminator", std::move(against));
  }

  Tensor forward(const Tensor& u) override {
    image->batch_share = batch_share;
    return image->forward(u);
  }
  bool depends_on_batch() const override { return image->depends_on_batch(); }
  ops::Recordable recordable() const override { return ops::Recordable::kNothing; }
  std::unique_ptr<FrozenGenerator> freeze() override { return image->freeze(); }

  std::shared_ptr<Generator> image;
  std::shared_ptr<Discriminator> discriminator;
};

/// log σ(D(x)) + log(1 - σ(D(x̂))) for the discriminator; for the generator log σ(D(x̂)), which does not saturate
/// (Goodfellow et al. 2014, section 3). Both gradients of one update are taken at the same parameters.
struct Adversarial : Objective {
  explicit Adversarial(int64_t updates) : n_critic(updates) {}

  Terms evaluate(const ModelView& view, const Tensor& x, const Particles&, int64_t step, const Rng& rng) override {
    ModelImpl& model = view.model;
    auto& generator = dynamic_cast<GanGenerator&>(*model.generator);
    const DataShape& shape = model.shape;
    const auto image = [&](const Tensor& t) { return t.reshape({-1, shape[0], shape[1], shape[2]}); };
    const Tensor z = view.prior->sample(x.size(0), rng, Stream::kPrior, step, rng.first_of(x.size(0)));
    Tensor made = model.generate_for_training(z, {});
    if (const double noise = model.options.generator.noise; noise > 0)
      made = made + noise * rng.row_normal(Stream::kNoise, step, made.sizes(), 0, made.options());
    const Tensor fake = at::tanh(made);
    const Tensor logit = generator.discriminator->forward(image(fake.detach()));
    const Tensor loss =
        at::softplus(-generator.discriminator->forward(image(2 * x - 1))).mean() + at::softplus(logit).mean();
    Terms terms;
    terms.total = loss;
    terms.named = {{"discriminator_loss", loss.detach()},
                   {"generator_loss", at::softplus(-logit).mean().detach()},
                   {"fake_is_data", logit.sigmoid().mean().detach()}};
    if ((step + 1) % n_critic == 0) {
      const Tensor pull = generator_pull(*generator.discriminator, image(fake.detach()));
      const Tensor surrogate = (image(fake) * pull).sum();  // its gradient is the generator's; its value says nothing
      terms.total = terms.total + (surrogate - surrogate.detach());
    }
    return terms;
  }

  ops::Recordable recordable() const override { return ops::Recordable::kNothing; }

 private:
  /// The gradient of mean softplus(-D(x̂)) in the images alone.
  static Tensor generator_pull(Discriminator& discriminator, const Tensor& images) {
    const Tensor input = images.detach().requires_grad_();
    return torch::autograd::grad({at::softplus(-discriminator.forward(input)).mean()}, {input})[0].detach();
  }

  int64_t n_critic;
};

Decoder gan_decoder(const GanOptions& gan) {
  static const std::vector<int64_t> kNoWidths;
  return {"GAN", "generator", "cnn", gan.generator, kNoWidths, gan.batchnorm, /*extra_layer=*/true};
}

void settle_gan(BaselineOptions& all, BaselineSettings& settings) {
  GanOptions& gan = all.gan;
  gan.latent_dim = latent_of(gan.latent_dim, gan_decoder(gan), settings.model.generator);
  settle_layers(gan_decoder(gan), settings.model.generator);
  settings.model.generator.noise = 0;
  settings.learning_rate = gan.generator_rate, settings.second_rate = gan.discriminator_rate;
}

std::shared_ptr<ModelImpl> make_gan(const BaselineOptions& all, const ModelOptions& shared, const DataShape& shape,
                                    const Rng& rng) {
  const GanOptions& gan = all.gan;
  auto generator =
      std::make_shared<GanGenerator>(make_decoder(gan_decoder(gan), shared.generator, gan.latent_dim, shape, rng),
                                     std::make_shared<Discriminator>(gan.discriminator, shape, rng));
  return std::make_shared<ModelImpl>(shared, shape, make_gaussian_prior(gan.latent_dim), std::move(generator),
                                     make_implicit_likelihood(/*tanh=*/true));
}

}  // namespace

BaselineRow gan_row() {
  return {.mode = "baseline-gan",
          .section = "GAN",
          .shares = {},
          .settle = settle_gan,
          .model = make_gan,
          .posterior = make_no_posterior,
          .objective = [](const BaselineOptions& all) -> std::unique_ptr<Objective> {
            return std::make_unique<Adversarial>(all.gan.n_critic);
          },
          .density = false,
          .second_rate = "generator.discriminator."};
}

}  // namespace kaem::baseline
