#include "kaem/prior/prior.h"

#include "prior/univariate.h"

namespace kaem {

std::shared_ptr<Prior> make_prior(const PriorOptions& options, const Rng& rng) {
  return std::make_shared<UnivariatePrior>(options, rng);
}

}  // namespace kaem
