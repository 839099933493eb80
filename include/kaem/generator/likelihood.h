#pragma once

#include <torch/nn/module.h>

#include <memory>
#include <string>
#include <utility>

#include "kaem/core/rng.h"

namespace kaem {

struct GeneratorOptions;

/// log p(x|g), g what the generator gives before the output activation. docs/mathematics.md section 3.
///
/// Letters: B data, S samples shared by all data, T temperatures and N chains of a datum, D numbers that the generator
/// gives for a datum (pixels; positions x words for sequences). Data x are [B,D] in [0,1], or word indices [B,L].
struct Likelihood : torch::nn::Module {
  /// False if p(x|g) has no density, so that only `activate` may be called (Error from the others).
  virtual bool has_density() const { return true; }

  /// What is shown of generated data: their mean, in [0,1] for images (`tanh` is mapped); any shape.
  virtual at::Tensor activate(const at::Tensor& generated) const = 0;

  /// Data drawn from p(x|g), without a graph: generated [n,D] -> x [n,·]. The numbers are those of (stream, step).
  virtual at::Tensor draw(const at::Tensor& generated, const Rng& rng, Stream stream, int64_t step) const = 0;

  /// Every datum against every sample: x [B,·], generated [S,D] -> [B,S]; nothing of shape B×S×D. No gradient is
  /// needed.
  virtual at::Tensor all_pairs(const at::Tensor& x, const at::Tensor& generated) const = 0;

  /// Each chain against its own datum, without a graph: x [B,·], generated [T,B,N,D] -> log p [T,B,N] and its gradient
  /// with respect to `generated` [T,B,N,D].
  virtual std::pair<at::Tensor, at::Tensor> value_and_gradient(const at::Tensor& x,
                                                               const at::Tensor& generated) const = 0;

  /// mean_b Σ_s w_bs log p(x_b|g_s), differentiable in `generated` and the parameters: weight [B,S], x [B,·],
  /// generated [S,D] -> []. Rows of w need not sum to 1.
  virtual at::Tensor weighted_all_pairs(const at::Tensor& weight, const at::Tensor& x,
                                        const at::Tensor& generated) const = 0;

  /// mean_b Σ_tn w_tbn log p(x_b|g_tbn), likewise: weight [T,B,N], x [B,·], generated [T,B,N,D] -> [].
  virtual at::Tensor weighted_own(const at::Tensor& weight, const at::Tensor& x, const at::Tensor& generated) const = 0;

  /// The part of log p that does not depend on x and g: -(D/2) log(2πσ²), or 0 []; detached.
  virtual at::Tensor constant(int64_t data_size) const;

  /// Mean number of words that data have, where that differs between data: x [B,L] -> []. Undefined for images.
  virtual at::Tensor mean_words(const at::Tensor& x) const;
};

/// Gaussian, Bernoulli or categorical, by `options.likelihood`; ConfigError for unknown names.
std::shared_ptr<Likelihood> make_likelihood(const GeneratorOptions& options);

/// ‖x_b - x̂_s‖²: x [B,D], xhat [S,D] -> [B,S] by one matrix product.
at::Tensor squared_distances(const at::Tensor& x, const at::Tensor& xhat);

}  // namespace kaem
