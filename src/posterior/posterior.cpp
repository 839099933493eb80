#include "kaem/posterior/posterior.h"

#include <array>

#include "kaem/core/table.h"
#include "posterior/posteriors.h"

namespace kaem {
namespace {

using MakePosterior = std::unique_ptr<Posterior> (*)(const PosteriorOptions&, ModelImpl&, const PosteriorContext&,
                                                     const Rng&);
constexpr auto kPosteriors = std::to_array<Named<MakePosterior>>({{"importance", make_importance},
                                                                  {"ula", make_langevin},
                                                                  {"mala", make_langevin},
                                                                  {"automala", make_langevin},
                                                                  {"pcnl", make_langevin},
                                                                  {"encoder", make_encoder_posterior}});

}  // namespace

std::unique_ptr<Posterior> make_posterior(const PosteriorOptions& options, ModelImpl& model,
                                          const PosteriorContext& context, const Rng& rng) {
  return find(kPosteriors, "sampler", options.sampler)(options, model, context, rng);
}

}  // namespace kaem
