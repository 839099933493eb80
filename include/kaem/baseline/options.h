#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "kaem/core/options.h"

namespace kaem {

/// A stack of convolutions as the baselines' sections list it: a number for each layer, or one for all.
struct ConvolutionOptions {
  std::vector<int64_t> channels, strides, kernels, paddings;

  /// `names`: of the four keys.
  template <class Self, class V>
  static void visit(Self& o, V&& v, const std::array<std::string_view, 4>& names, std::string_view channels_help) {
    v(Key{.name = names[0], .help = channels_help, .min = 1, .max = 65536}, o.channels);
    v(Key{.name = names[1], .help = "Strides of these layers: one each, or one for all", .min = 1, .max = 64},
      o.strides);
    v(Key{.name = names[2], .help = "Kernel sizes, likewise", .min = 1, .max = 64}, o.kernels);
    v(Key{.name = names[3], .help = "Paddings, likewise", .min = 0, .max = 64}, o.paddings);
  }
};

/// Rate of a model's own; 0 leaves that of [OPTIMIZER].
inline Key own_learning_rate() {
  return {.name = "learning_rate", .help = "Learning rate; 0: that of [OPTIMIZER]", .min = 0};
}

/// Width of the Gaussian latents.
inline Key latent_width() {
  return {.name = "latent_dim",
          .help = "Coordinates of the latent; 0: the first of [GeneratorModel] widths",
          .min = 0,
          .max = 1e6};
}

inline constexpr std::string_view kDecoderHelp =
    "Generator: transposed convolutions (cnn), dense layers (dense), or the KAN layers of [GeneratorModel] (kan)";

/// A variational autoencoder (Kingma and Welling 2014), section [VAE].
struct VaeOptions {
  int64_t latent_dim = 0;
  std::string decoder = "cnn";  ///< cnn | dense | kan; the encoder is convolutional for cnn, else dense
  std::vector<int64_t> widths = {512, 256};
  ConvolutionOptions encode = {{32, 64}, {2}, {4}, {1}};
  ConvolutionOptions decode = {{64, 32}, {2}, {4}, {1}};
  bool batchnorm = false;
  double beta = 1;
  double learning_rate = 0;

  template <class Self, class V>
  static void visit(Self& o, V&& v) {
    v(latent_width(), o.latent_dim);
    v(Key{.name = "decoder", .help = kDecoderHelp, .choices = {"cnn", "dense", "kan"}}, o.decoder);
    v(Key{.name = "widths",
          .help = "Hidden widths of a dense encoder; a dense decoder has them in reverse order",
          .min = 1,
          .max = 1e6},
      o.widths);
    ConvolutionOptions::visit(o.encode, v,
                              {"encoder_channels", "encoder_strides", "encoder_kernels", "encoder_paddings"},
                              "Channels of the encoder's convolutions");
    ConvolutionOptions::visit(o.decode, v,
                              {"decoder_channels", "decoder_strides", "decoder_kernels", "decoder_paddings"},
                              "Channels of the decoder's layers: a dense layer gives the first's, the last gives the "
                              "image");
    v(Key{.name = "batchnorm", .help = "Batch norm after each convolution but the last"}, o.batchnorm);
    v(Key{.name = "beta", .help = "Weight β of the KL term of the evidence bound", .min = 0}, o.beta);
    v(own_learning_rate(), o.learning_rate);
  }
};

/// The latent energy-based model of Pang et al. (2020), section [PANG]. Langevin steps as mathematics.md section 4.
struct PangOptions {
  int64_t latent_dim = 0;
  std::string generator = "cnn";  ///< cnn | dense | kan
  std::vector<int64_t> widths = {256, 512};
  ConvolutionOptions layers = {{128, 64}, {2}, {4}, {1}};
  std::vector<int64_t> energy_widths = {200, 200, 1};
  int64_t prior_steps = 60, posterior_steps = 40;
  double prior_step_size = 0.16, posterior_step_size = 0.01;
  double likelihood_variance = 0.3;
  double noise_scale = 1, alpha_cd = 1, prior_sigma = 1;
  double learning_rate = 0;

  template <class Self, class V>
  static void visit(Self& o, V&& v) {
    const auto one = [](std::string_view name, std::string_view help) {
      return Key{.name = name, .help = help, .min = 1, .max = 1};
    };
    v(latent_width(), o.latent_dim);
    v(Key{.name = "generator", .help = kDecoderHelp, .choices = {"cnn", "dense", "kan"}}, o.generator);
    v(Key{.name = "widths", .help = "Hidden widths of a dense generator", .min = 1, .max = 1e6}, o.widths);
    ConvolutionOptions::visit(o.layers, v,
                              {"generator_channels", "generator_strides", "generator_kernels", "generator_paddings"},
                              "Channels of the generator's layers: a dense layer gives the first's, the last gives the "
                              "image");
    v(Key{.name = "energy_widths",
          .help = "Widths of the energy's dense layers; the last is its one output",
          .min = 1,
          .max = 1e6},
      o.energy_widths);
    v(Key{.name = "prior_sgld_steps",
          .help = "Langevin steps from N(0,I) to the prior",
          .aliases = {"prior_iters"},
          .min = 0,
          .max = 1e6},
      o.prior_steps);
    v(Key{.name = "prior_sgld_step_size",
          .help = "Their step size η",
          .aliases = {"prior_step_size"},
          .min = 0,
          .min_open = true},
      o.prior_step_size);
    v(Key{.name = "post_sgld_steps",
          .help = "Langevin steps from N(0,I) to the posterior",
          .aliases = {"posterior_iters"},
          .min = 1,
          .max = 1e6},
      o.posterior_steps);
    v(Key{.name = "post_sgld_step_size",
          .help = "Their step size η",
          .aliases = {"posterior_step_size"},
          .min = 0,
          .min_open = true},
      o.posterior_step_size);
    v(Key{.name = "likelihood_variance", .help = "σ² of the Gaussian likelihood", .min = 0, .min_open = true},
      o.likelihood_variance);
    v(one("noise_scale", "Factor on the chains' noise: with another than 1 they would sample another density"),
      o.noise_scale);
    v(one("alpha_cd", "Factor on the prior's part of the gradient: with another than 1 it is no maximum likelihood"),
      o.alpha_cd);
    v(one("prior_sigma", "Standard deviation of the Gaussian that the energy tilts"), o.prior_sigma);
    v(own_learning_rate(), o.learning_rate);
  }
};

/// A denoising diffusion model (Ho et al. 2020), section [DDPM].
struct DdpmOptions {
  int64_t timesteps = 1000;
  double beta_start = 1e-4, beta_end = 0.02;
  std::vector<int64_t> channels = {32, 64, 128};
  int64_t kernel_size = 3;
  int64_t time_dim = 128;
  int64_t sampling_stride = 10;
  double learning_rate = 0;

  template <class Self, class V>
  static void visit(Self& o, V&& v) {
    v(Key{.name = "num_timesteps", .help = "Noise levels T", .aliases = {"timesteps"}, .min = 2, .max = 100000},
      o.timesteps);
    v(Key{.name = "beta_start",
          .help = "Variance β_1 of the noise of the first level",
          .min = 0,
          .max = 1,
          .min_open = true},
      o.beta_start);
    v(Key{.name = "beta_end", .help = "β_T of the last; linear between them", .min = 0, .max = 1, .min_open = true},
      o.beta_end);
    v(Key{.name = "channels",
          .help = "Channels of the U-Net at each resolution, each half of the one before",
          .min = 1,
          .max = 65536},
      o.channels);
    v(Key{.name = "kernel_size", .help = "Kernel size of its convolutions (odd)", .min = 1, .max = 63}, o.kernel_size);
    v(Key{.name = "time_dim", .help = "Width of the noise level's embedding (even)", .min = 2, .max = 65536},
      o.time_dim);
    v(Key{.name = "sampling_stride", .help = "Every so many levels are visited in sampling", .min = 1, .max = 100000},
      o.sampling_stride);
    v(own_learning_rate(), o.learning_rate);
  }
};

/// A generative adversarial network (Goodfellow et al. 2014; layers as Radford et al. 2016), section [GAN].
struct GanOptions {
  int64_t latent_dim = 0;
  ConvolutionOptions generator = {{128, 64}, {2, 2, 1}, {4, 4, 3}, {1}};
  ConvolutionOptions discriminator = {{64, 128}, {2}, {4}, {1}};
  bool batchnorm = false;
  int64_t n_critic = 1;
  double generator_rate = 2e-4, discriminator_rate = 2e-4;

  template <class Self, class V>
  static void visit(Self& o, V&& v) {
    v(latent_width(), o.latent_dim);
    ConvolutionOptions::visit(o.generator, v,
                              {"generator_channels", "generator_strides", "generator_kernels", "generator_paddings"},
                              "Channels of the generator's hidden layers; a dense layer gives the first's, one layer "
                              "more gives the image");
    ConvolutionOptions::visit(
        o.discriminator, v,
        {"discriminator_channels", "discriminator_strides", "discriminator_kernels", "discriminator_paddings"},
        "Channels of the discriminator's convolutions");
    v(Key{.name = "batchnorm", .help = "Batch norm after each hidden layer of the generator"}, o.batchnorm);
    v(Key{.name = "n_critic", .help = "Updates of the discriminator for each of the generator", .min = 1, .max = 1000},
      o.n_critic);
    v(Key{.name = "lr_gen", .help = "Learning rate of the generator", .min = 0, .min_open = true}, o.generator_rate);
    v(Key{.name = "lr_disc", .help = "Learning rate of the discriminator", .min = 0, .min_open = true},
      o.discriminator_rate);
  }
};

/// All of them: a run reads its own section.
struct BaselineOptions {
  VaeOptions vae;
  PangOptions pang;
  DdpmOptions ddpm;
  GanOptions gan;
};

}  // namespace kaem
