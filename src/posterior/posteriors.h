#pragma once

#include "kaem/posterior/posterior.h"

namespace kaem {

std::unique_ptr<Posterior> make_importance(const PosteriorOptions& options, ModelImpl& model,
                                           const PosteriorContext& context, const Rng& rng);
std::unique_ptr<Posterior> make_proposal(const PosteriorOptions& options, ModelImpl& model,
                                         const PosteriorContext& context, const Rng& rng);
std::unique_ptr<Posterior> make_langevin(const PosteriorOptions& options, ModelImpl& model,
                                         const PosteriorContext& context, const Rng& rng);
std::unique_ptr<Posterior> make_encoder_posterior(const PosteriorOptions& options, ModelImpl& model,
                                                  const PosteriorContext& context, const Rng& rng);

}  // namespace kaem
