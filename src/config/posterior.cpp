#include <cmath>
#include <limits>

#include "config/draft.h"
#include "kaem/baseline/baselines.h"
#include "kaem/core/error.h"
#include "kaem/core/str.h"
#include "kaem/mcmc/kernels.h"

namespace kaem::config {
namespace {

/// The temperatures (k/N_t)^p must differ in float32, in which chains run, or they are fewer than was asked for.
void check_ladder(const Draft& draft) {
  const TemperingOptions& t = draft.config.posterior.tempering;
  if (t.levels < 2) return;
  const auto rises = [&](double p) {
    float below = 0;
    for (int64_t k = 1; k <= t.levels; ++k) {
      const auto here = static_cast<float>(std::pow(static_cast<double>(k) / static_cast<double>(t.levels), p));
      if (here < std::numeric_limits<float>::min() || !(here > below)) return false;
      below = here;
    }
    return true;
  };
  for (const auto& [key, p] : {std::pair{"p_start", t.p_start}, {"p_end", t.p_end}})
    if (!rises(p))
      draft.fail(str("THERMODYNAMIC_INTEGRATION.", key),
                 str("of the temperatures (k/", t.levels, ")^", p, " several are the same number in float32; ",
                     p > 1 ? "choose a smaller exponent" : "choose an exponent nearer to 1"));
}

}  // namespace

void check_posterior(const Draft& draft) {
  const Config& c = draft.config;
  const auto& bounds = c.posterior.step_size_bounds;
  if (bounds.size() != 2 || !(bounds[0] < bounds[1]))
    draft.fail("POST_LANGEVIN.step_size_bounds", "expected two ascending numbers");
  if (c.posterior.chain_start == "base" && !c.model.prior.is_deep() && find_baseline(c.run.mode) == nullptr)
    draft.fail("POST_LANGEVIN.chain_start",
               "needs a deep prior (three [EbmModel] layer_widths or more); expected prior");
  if (c.objective.thermo_gradient == "path" && c.model.generator.sigma_trainable)
    draft.fail(
        "THERMODYNAMIC_INTEGRATION.thermo_gradient",
        "is not the gradient of log p(x), and [GeneratorModel] variance_trainable would make σ several times too "
        "large; expected mbar or posterior");
  if (c.posterior.preconditioner != "auto" && c.posterior.preconditioner != "none")
    refuse_as(draft, "POST_LANGEVIN.preconditioner", [&] { mcmc::check_takes_scales(c.posterior.sampler); });
  if (c.posterior.proposes() && c.posterior.prior_draws() >= c.posterior.samples)
    draft.fail(
        "POST_LANGEVIN.defensive_share",
        str("of ", c.posterior.samples, " draws ([TRAINING] importance_sample_size) none is left for the encoder"));
  check_ladder(draft);
  refuse_as(draft, "Encoder.activation", [&] { ops::parse_activation(c.posterior.encoder.activation); });
}

}  // namespace kaem::config
