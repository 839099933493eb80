#include "kaem/prior/prior.h"

#include "kaem/core/error.h"
#include "prior/deep.h"
#include "prior/mixture.h"
#include "prior/univariate.h"

namespace kaem {
namespace {
constexpr const char* kNormalised = "this prior is normalised: it is no base density with a tilt";
}

at::Tensor Prior::sample_base(int64_t, const Rng&, Stream, int64_t, int64_t) { throw Error(kNormalised); }
std::pair<at::Tensor, at::Tensor> Prior::base_density(const at::Tensor&) { throw Error(kNormalised); }
std::pair<at::Tensor, at::Tensor> Prior::tilt(const at::Tensor&) { throw Error(kNormalised); }

std::shared_ptr<Prior> make_prior(const PriorOptions& options, const Rng& rng) {
  if (options.is_deep()) return std::make_shared<DeepPrior>(options, rng);
  if (options.mixture.enabled) return std::make_shared<MixturePrior>(options, rng);
  return std::make_shared<UnivariatePrior>(options, rng);
}

}  // namespace kaem
