#include "kaem/prior/prior.h"

#include "prior/deep.h"
#include "prior/mixture.h"
#include "prior/univariate.h"

namespace kaem {
std::shared_ptr<Prior> make_prior(const PriorOptions& options, const Rng& rng) {
  if (options.is_deep()) return std::make_shared<DeepPrior>(options, rng);
  if (options.mixture.enabled) return std::make_shared<MixturePrior>(options, rng);
  return std::make_shared<UnivariatePrior>(options, rng);
}

}  // namespace kaem
