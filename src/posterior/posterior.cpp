#include "kaem/posterior/posterior.h"

#include <array>

#include "kaem/core/table.h"
#include "posterior/posteriors.h"

namespace kaem {
namespace {

using MakePosterior = std::unique_ptr<Posterior> (*)(const PosteriorOptions&);
constexpr auto kPosteriors = std::to_array<Named<MakePosterior>>({{"importance", make_importance}});

}  // namespace

std::unique_ptr<Posterior> make_posterior(const PosteriorOptions& options) {
  return find(kPosteriors, "sampler", options.sampler)(options);
}

}  // namespace kaem
