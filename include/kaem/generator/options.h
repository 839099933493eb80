#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "kaem/core/options.h"
#include "kaem/kan/options.h"

namespace kaem {

/// Transposed convolutions as generator, section [CNN]. One of strides, kernels and paddings for each layer: the hidden
/// ones and the last, which gives the image's channels.
struct CnnOptions {
  bool use = false;                                ///< "use_cnn_lkhood"
  std::vector<int64_t> dims = {256, 128, 64, 32};  ///< channels of the hidden layers, "hidden_feature_dims"
  std::vector<int64_t> strides = {2, 2, 2, 2, 2};
  std::vector<int64_t> kernels = {4, 4, 4, 4, 4};   ///< "kernel_sizes"
  std::vector<int64_t> paddings = {1, 1, 1, 1, 1};  ///< cut off on each side
  std::string activation = "leakyrelu";
  double leakyrelu_slope = 0.01;
  bool batchnorm = false;
  bool latent_concat = false;
  bool residual = false;    ///< "residual_connections"
  bool projection = false;  ///< start from a dense layer's dims[0] x init_spatial x init_spatial instead of q x 1 x 1
  int64_t init_spatial = 2;

  template <class Self, class V>
  static void visit(Self& o, V&& v) {
    const auto sizes = [](std::string_view name, std::string_view help, double min) {
      return Key{.name = name, .help = help, .min = min, .max = 64};
    };
    v(Key{.name = "use_cnn_lkhood", .help = "Generate images by transposed convolutions instead of KAN layers"}, o.use);
    v(Key{.name = "hidden_feature_dims", .help = "Channels of the hidden layers", .min = 1, .max = 65536}, o.dims);
    v(sizes("strides", "Stride of each layer: of the hidden ones and the last", 1), o.strides);
    v(sizes("kernel_sizes", "Kernel size of each layer", 1), o.kernels);
    v(sizes("paddings", "Rows and columns cut off at each side of a layer's result", 0), o.paddings);
    v(Key{.name = "activation",
          .help = "Activation between layers; none or identity: linear",
          .choices = ops::activation_names()},
      o.activation);
    v(Key{.name = "leakyrelu_slope", .help = "Slope of leakyrelu below 0 (Pang et al. 2020: 0.2)", .min = 0, .max = 1},
      o.leakyrelu_slope);
    v(Key{.name = "batchnorm", .help = "Batch norm behind every layer but the last"}, o.batchnorm);
    v(Key{.name = "latent_concat", .help = "Every layer after the first also sees the latent, spread over space"},
      o.latent_concat);
    v(Key{.name = "residual_connections", .help = "Add each hidden layer's input, enlarged, to its result"},
      o.residual);
    v(Key{.name = "projection", .help = "Start from a dense layer's init_spatial x init_spatial image instead of 1x1"},
      o.projection);
    v(Key{.name = "init_spatial",
          .help = "Height and width of the image that projection gives; -1 without it",
          .min = -1,
          .max = 1024},
      o.init_spatial);
  }
};

/// Sequences of words, section [SEQ].
struct SeqOptions {
  int64_t sequence_length = -1;  ///< L; 0 or less: no sequence model
  int64_t vocab_size = 1000;     ///< V
  int64_t d_model = 128;
  std::string activation = "relu";
  bool autoregressive = false;
  double temperature = 1;  ///< of drawn words; 0: the likeliest

  bool use() const { return sequence_length > 0; }

  template <class Self, class V>
  static void visit(Self& o, V&& v) {
    v(Key{.name = "sequence_length",
          .help = "Words in a sequence, for data sets of text; 0 or -1: no sequence model",
          .min = -1,
          .max = 65536},
      o.sequence_length);
    v(Key{.name = "vocab_size", .help = "Words that are told apart", .min = 2, .max = 1e6}, o.vocab_size);
    v(Key{.name = "d_model",
          .help = "Width of the hidden layers; autoregressive: at most 32 or a multiple of it",
          .aliases = {"hidden_dim"},
          .min = 1,
          .max = 65536},
      o.d_model);
    v(Key{.name = "activation",
          .help = "Activation of the hidden layers; none or identity: linear",
          .choices = ops::activation_names()},
      o.activation);
    v(Key{.name = "autoregressive",
          .help = "Each word depends on those before it (a causal transformer); not with sampler = importance or mode "
                  "thermo"},
      o.autoregressive);
    v(Key{.name = "temperature", .help = "Temperature of drawn words; 0: always the likeliest", .min = 0},
      o.temperature);
  }
};

/// What the generator's matrix products and convolutions compute in, section [MIXED_PRECISION].
struct PrecisionOptions {
  std::string reduced = "auto";  ///< "reduced_precision"
  bool forced = false;           ///< "force_reduced"

  /// bfloat16 operands with float32 sums; TF32 is a switch of the whole GPU and none of the model's.
  ops::Precision of_products() const { return reduced == "BF16" ? ops::Precision::kBFloat16 : ops::Precision::kFull; }

  template <class Self, class V>
  static void visit(Self& o, V&& v) {
    v(Key{.name = "reduced_precision",
          .help = "Operands of the generator's products and convolutions; sums, weights and densities stay FP32. TF32: "
                  "on GPUs, for all products. auto: FP32, but TF32 for a GPU's convolutions, as PyTorch does",
          .choices = {"auto", "FP32", "TF32", "BF16"},
          .reference = "also FP16, which is taken as BF16"},
      o.reduced);
    v(Key{.name = "force_reduced", .help = "BF16 even where it is slower than FP32, which is refused otherwise"},
      o.forced);
  }
};

/// The generator and its likelihood, section [GeneratorModel] of the configuration. docs/mathematics.md section 3.
/// The members `cnn`, `seq` and `precision` are sections of their own, not walked by `visit`.
struct GeneratorOptions {
  std::vector<int64_t> widths = {81, 162};  ///< q, hidden...; the data's size is appended
  double sigma = 0.3;                       ///< standard deviation of the Gaussian likelihood ("generator_variance")
  double noise = 0.01;                      ///< training noise on the generated data
  std::string output_activation = "sigmoid";
  std::string likelihood = "gaussian";
  bool sigma_trainable = false;          ///< "variance_trainable"
  std::string perceptual_features = {};  ///< file of a TorchScript network
  double perceptual_scale = 1e-4;
  bool use_perceptual_loss = false;  ///< [TRAINING]
  bool layernorm = false;            ///< layer norm before each KAN layer
  BasisOptions basis = {};
  CnnOptions cnn = {};
  SeqOptions seq = {};
  PrecisionOptions precision = {};

  template <class Self, class V>
  static void visit(Self& o, V&& v) {
    v(Key{.name = "widths",
          .help = "Widths of the KAN generator: q, hidden...; the data's size is appended",
          .aliases = {"layer_widths"},
          .min = 1,
          .max = 1e6},
      o.widths);
    v(Key{.name = "generator_variance",
          .help = "Standard deviation σ of the Gaussian likelihood, in spite of its name; without effect on text",
          .min = 1e-6,
          .max = 1e6,
          .reference = "divides the cross entropy of text by 2σ²"},
      o.sigma);
    v(Key{.name = "generator_noise",
          .help = "Standard deviation of the noise added to generated data where parameter gradients are taken",
          .min = 0},
      o.noise);
    v(Key{.name = "output_activation",
          .help = "Activation of the generated data",
          .choices = {"sigmoid", "tanh", "identity", "none"}},
      o.output_activation);
    v(Key{.name = "likelihood",
          .help = "Distribution of data given what is generated",
          .choices = {"gaussian", "bernoulli", "categorical"},
          .absent = "gaussian; categorical for text"},
      o.likelihood);
    v(Key{.name = "variance_trainable", .help = "Train σ of the Gaussian likelihood"}, o.sigma_trainable);
    v(Key{.name = "perceptual_features",
          .help = "File of a TorchScript network that gives the features of use_perceptual_loss"},
      o.perceptual_features);
    v(Key{.name = "layernorm",
          .help = "Layer norm before each layer of a KAN generator; the others have none",
          .aliases = {"layer_norm"}},
      o.layernorm);
    v(Key{.name = "perceptual_scale", .help = "Weight of the perceptual term", .min = 0}, o.perceptual_scale);
    BasisOptions::visit(o.basis, v);
  }
};

}  // namespace kaem
