#pragma once

#include <torch/nn/module.h>

#include <memory>

#include "kaem/core/rng.h"
#include "kaem/core/shape.h"
#include "kaem/generator/options.h"
#include "kaem/kan/layer.h"
#include "kaem/ops/batch_norm.h"
#include "kaem/ops/gpu.h"

namespace kaem {

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

  /// Word indices drawn from p(x|u), for generators of sequences (Error for the others): u [n,q] -> int64 [n,L].
  /// Row i takes the same random numbers whatever n is.
  virtual at::Tensor sample_sequence(const at::Tensor& u, const Rng& rng, Stream stream, int64_t step);

  /// What chains use; valid until the parameters change.
  virtual std::unique_ptr<FrozenGenerator> freeze() = 0;

  /// Batch norm would count a batch twice where a replay is not good, and words are drawn by the host.
  virtual ops::Recordable recordable() const {
    return depends_on_batch() ? ops::Recordable::kNothing : ops::Recordable::kAll;
  }

  ops::BatchShare batch_share;  ///< of the rows that `forward` is given, for batch norm

  virtual GridUpdate update_grid(const at::Tensor&) { return {}; }
  virtual void initialise_grid(const at::Tensor&) {}
};

/// What chains use of a generator that writes no pullback of its own: by autograd, in the mode that it is in.
std::unique_ptr<FrozenGenerator> freeze_by_autograd(Generator& generator);

/// The generator that the options ask for: convolutions ([CNN] use_cnn_lkhood), sequences ([SEQ] sequence_length), else
/// KAN layers, whose widths[0] must be `latent_width`. ConfigError if the options do not fit `shape`.
std::shared_ptr<Generator> make_generator(const GeneratorOptions& options, int64_t latent_width, const DataShape& shape,
                                          const Rng& rng);

}  // namespace kaem
