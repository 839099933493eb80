#pragma once

#include "kaem/mcmc/kernel.h"

namespace kaem {

struct ModelView;
struct PriorView;

/// log p(z) + t log p(x_b|z) of a model, as Markov chains see it: only gradients with respect to z, parameters frozen.
/// x [B,·], temperature [T]. Keeps the view of the prior; Error once the parameters change. `with_perceptual`: ℓ takes
/// in the model's perceptual term, if it has one (never in evaluation).
mcmc::Target posterior_target(const ModelView& view, const at::Tensor& x, const at::Tensor& temperature,
                              bool with_perceptual = false);

/// Prior draws as starting points of chains: [T,B,N,latent...], rows first_row... of (stream, step).
at::Tensor prior_chains(const PriorView& prior, at::IntArrayRef chains, const Rng& rng, Stream stream, int64_t step,
                        int64_t first_row = 0);

/// Standard deviation of each latent coordinate under the prior, [latent...], of draws of (stream kScale, step); and
/// the same relative to their mean: preconditioners.
at::Tensor prior_deviations(const PriorView& prior, const Rng& rng, int64_t step);
at::Tensor prior_scales(const PriorView& prior, const Rng& rng, int64_t step);

}  // namespace kaem
