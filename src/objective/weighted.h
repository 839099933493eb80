#pragma once

#include "kaem/objective/objective.h"

namespace kaem {

/// Samples and the weights with which they stand for the posterior. Rows of the two parts' weights sum to 1 together
/// for each datum.
struct SampleRows {
  at::Tensor shared_z, shared_weight;  ///< [S, latent...], [B,S]: samples that serve all data; undefined: none
  at::Tensor own_z, own_weight;        ///< [T,B,N,latent...], [T,B,N]: samples of each datum; undefined: none
  at::Tensor shared_generated;         ///< g(shared_z) with its graph, if there is one already
  at::Tensor shared_rows, own_levels;  ///< int64 numbers of shared_z and of own_z's levels among all that were drawn;
                                       ///< undefined: these are all
  int64_t shared_drawn = 0;            ///< of how many shared_rows are some
};

/// log p(z) and log p(x|z), averaged under weights (detached) and over data, differentiable in the parameters.
struct WeightedLogProb {
  at::Tensor prior, likelihood;
  at::Tensor perceptual;  ///< weighted like the likelihood, but no part of it; undefined without such a term
};
WeightedLogProb weighted_log_prob(const ModelView& view, const at::Tensor& x, const SampleRows& samples, int64_t step,
                                  const Rng& rng);

/// The likelihood part alone (and the perceptual one).
WeightedLogProb weighted_log_likelihood(const ModelView& view, const at::Tensor& x, const SampleRows& samples,
                                        int64_t step, const Rng& rng);

/// The prior part alone.
at::Tensor weighted_log_prior(const ModelView& view, const SampleRows& samples, int64_t step, const Rng& rng);

/// Loss of the parts: -(prior + likelihood), the encoder's, the penalties; and what metrics.csv shows of them (for data
/// x of words also per word) and of the sampler's diagnostics.
Terms make_terms(const ModelView& view, const at::Tensor& x, const ObjectiveOptions& options,
                 const WeightedLogProb& log_prob, const Particles& particles);

}  // namespace kaem
