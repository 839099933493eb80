#pragma once

#include "kaem/objective/objective.h"

namespace kaem::baseline {

/// No samples of z given x: for models that have no posterior.
std::unique_ptr<Posterior> make_no_posterior(const PosteriorOptions& shared, ModelImpl& model,
                                             const PosteriorContext& context, const Rng& rng);

}  // namespace kaem::baseline
