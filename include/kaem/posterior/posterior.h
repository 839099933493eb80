#pragma once

#include <memory>
#include <string>

#include "kaem/core/options.h"
#include "kaem/core/rng.h"
#include "kaem/model/model.h"

namespace kaem {

/// How expectations under p(z|x) are taken. docs/mathematics.md section 4.
struct PosteriorOptions {
  std::string sampler = "importance";  ///< [POST_LANGEVIN] sampler
  int64_t samples = 100;               ///< S ([TRAINING] importance_sample_size; absent: batch_size)
  std::string resampler = "residual";  ///< [GeneratorModel] resampler
  double resampling_threshold = 0.5;   ///< ESS below this share of S resamples ([TRAINING])
};

/// What a posterior reports beside its samples: all [B], or undefined where it has no meaning.
struct Diagnostics {
  at::Tensor ess;           ///< effective sample size of the weights before resampling
  at::Tensor log_evidence;  ///< log p̂(x_b) = logsumexp_s ℓ_bs - log S
};

/// Weighted samples of p(z|x), whatever made them. T temperatures, B data, N particles: a B axis of 1 is shared by all
/// data.
struct Particles {
  at::Tensor z;            ///< [T, B or 1, N, latent...]
  at::Tensor log_weight;   ///< [T,B,N], normalised over N; -inf where a resampler dropped the particle
  at::Tensor temperature;  ///< [T]
  at::Tensor generated;    ///< g(z) before the activation, [T, B or 1, N, D], with its graph; undefined: the objective
                           ///< computes it
  Diagnostics info;
};

/// A way of sampling p(z|x).
struct Posterior {
  virtual ~Posterior() = default;

  /// x [B,D] -> particles. With gradients enabled `generated` carries the generator's graph, so that nothing is
  /// computed twice.
  virtual Particles sample(ModelImpl& model, const at::Tensor& x, int64_t step, const Rng& rng) = 0;
};

std::unique_ptr<Posterior> make_posterior(const PosteriorOptions& options);

}  // namespace kaem
