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
  std::string likelihood = "gaussian";
  bool sigma_trainable = false;  ///< "variance_trainable"
  BasisOptions basis = {};

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
    v(Key{.name = "likelihood",
          .help = "Distribution of data given what is generated",
          .choices = {"gaussian", "bernoulli", "categorical"}},
      o.likelihood);
    v(Key{.name = "variance_trainable", .help = "Train σ of the Gaussian likelihood"}, o.sigma_trainable);
    BasisOptions::visit(o.basis, v);
  }
};

/// A generator whose parameters stay as they are while this lives: what depends on them alone is made once, and only
/// gradients with respect to the input are taken. Chains use it.
struct FrozenGenerator {
  virtual ~FrozenGenerator() = default;

  /// u [n,q] -> [n,D], before the output activation, without a graph; what `pullback` needs is kept. `x` [n,·]: the
  /// data of each row, for autoregressive generators only (undefined for the others).
  virtual at::Tensor forward(const at::Tensor& u, const at::Tensor& x) = 0;

  /// Vector-Jacobian product at the u of the last `forward`: grad [n,D] -> [n,q].
  virtual at::Tensor pullback(const at::Tensor& grad) = 0;
};

/// A generator: what the prior hands over -> data before the output activation.
struct Generator : torch::nn::Module {
  /// u [n,q] -> [n,D], before the output activation; differentiable in u and the parameters. In training mode
  /// (`train()`) batch norm uses the batch's statistics and moves the running ones; in `eval()` mode the running ones.
  virtual at::Tensor forward(const at::Tensor& u) = 0;

  /// As forward, for generators whose output at a position depends on the data before it: x [n,·] the data of each row.
  virtual at::Tensor forward_given(const at::Tensor& u, const at::Tensor& x);

  /// True if outputs depend on the data before them (`forward` is then undefined without them: Error).
  virtual bool autoregressive() const { return false; }

  /// True if outputs in training mode depend on the other rows (batch norm).
  virtual bool depends_on_batch() const { return false; }

  /// What chains use; valid until the parameters change.
  virtual std::unique_ptr<FrozenGenerator> freeze() = 0;

  virtual GridUpdate update_grid(const at::Tensor&) { return {}; }
  virtual void initialise_grid(const at::Tensor&) {}
};

/// `data_size` D = channels x height x width; `latent_width` must equal widths[0] (ConfigError).
std::shared_ptr<Generator> make_generator(const GeneratorOptions& options, int64_t latent_width, int64_t data_size,
                                          const Rng& rng);

}  // namespace kaem
