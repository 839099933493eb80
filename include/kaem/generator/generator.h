#pragma once

#include <torch/nn/module.h>

#include <memory>
#include <string>
#include <vector>

#include "kaem/core/rng.h"
#include "kaem/kan/layer.h"

namespace kaem {

/// The generator and its likelihood, section [GeneratorModel] of the configuration. docs/mathematics.md section 3.
struct GeneratorOptions {
  std::vector<int64_t> widths = {81, 162};  ///< q, hidden...; the data's size is appended
  double sigma = 0.3;                       ///< standard deviation of the Gaussian likelihood ("generator_variance")
  double noise = 0.01;                      ///< training noise on the generated data
  std::string output_activation = "sigmoid";
  BasisOptions basis;

  template <class Self, class V>
  static void visit(Self& o, V&& v) {
    v(Key{.name = "widths",
          .help = "Widths of the KAN generator: q, hidden...; the data's size is appended",
          .aliases = {"layer_widths"},
          .min = 1,
          .max = 1e6},
      o.widths);
    v(Key{.name = "generator_variance",
          .help = "Standard deviation σ of the Gaussian likelihood (the reference's name; σ is squared in use)",
          .min = 0,
          .min_open = true},
      o.sigma);
    v(Key{.name = "generator_noise",
          .help = "Standard deviation of the noise added to generated data where parameter gradients are taken",
          .min = 0},
      o.noise);
    v(Key{.name = "output_activation",
          .help = "Activation of the generated data",
          .choices = {"sigmoid", "tanh", "identity", "none"}},
      o.output_activation);
    BasisOptions::visit(o.basis, v);
  }
};

/// A generator: what the prior hands over -> data before the output activation.
struct Generator : torch::nn::Module {
  /// u [n,q] -> [n,D], before the output activation.
  virtual at::Tensor forward(const at::Tensor& u) = 0;

  /// Vector-Jacobian product without an autograd graph: u [n,q], grad [n,D] -> [n,q].
  virtual at::Tensor input_gradient(const at::Tensor& u, const at::Tensor& grad) = 0;

  virtual GridUpdate update_grid(const at::Tensor& u) = 0;
  virtual void initialise_grid(const at::Tensor& u) = 0;
};

/// `data_size` D = channels x height x width; `latent_width` must equal widths[0] (ConfigError).
std::shared_ptr<Generator> make_generator(const GeneratorOptions& options, int64_t latent_width, int64_t data_size,
                                          const Rng& rng);

}  // namespace kaem
