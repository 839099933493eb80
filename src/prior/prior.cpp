#include "kaem/prior/prior.h"

#include "kaem/core/error.h"
#include "kaem/prior/curves.h"
#include "prior/deep.h"
#include "prior/mixture.h"
#include "prior/symbolic.h"
#include "prior/univariate.h"

namespace kaem {

void Prior::set_flat(const at::Tensor&) { throw UsageError("a deep prior has no energies of single coordinates"); }

std::optional<PriorCurves> curves_of(Prior& prior, int64_t points) {
  const auto view = prior.view();
  if (view->distribution() == nullptr) return std::nullopt;
  return view->distribution()->curves(points);
}

std::shared_ptr<Prior> make_prior(const PriorOptions& options, const Rng& rng) {
  if (options.energies == "symbolic") return std::make_shared<SymbolicPrior>(options);
  if (options.is_deep()) return std::make_shared<DeepPrior>(options, rng);
  if (options.mixture.enabled) return std::make_shared<MixturePrior>(options, rng);
  return std::make_shared<UnivariatePrior>(options, rng);
}

}  // namespace kaem
