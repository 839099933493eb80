#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include "objective/objectives.h"

namespace kaem {
namespace {

using at::Tensor;

/// -mean_b Σ_s w_bs (log p(z_s) + log p(x_b|z_s)), weights detached. docs/mathematics.md section 6.
struct MaximumLikelihood : Objective {
  Terms evaluate(ModelImpl& model, const Tensor& x, const Particles& particles, int64_t step, const Rng& rng) override {
    const Tensor z = particles.z[0][0];
    const Tensor weight = particles.log_weight[0].exp();  // [B,S]
    const Tensor generated = particles.generated.defined() ? model.with_noise(particles.generated[0][0], step, rng)
                                                           : model.generate_for_training(z, {}, step, rng);
    const Tensor log_likelihood = model.likelihood->weighted_all_pairs(weight, x, generated);
    const Tensor log_prior = model.prior->weighted_log_prob(z, weight.mean(0), rng, step);
    const Tensor residual = model.likelihood->constant(model.data_size()) - log_likelihood.detach();
    return {.total = -(log_prior + log_likelihood),
            .named = {{"log_prior", log_prior.detach()},
                      {"log_likelihood", log_likelihood.detach()},
                      {"residual", residual},
                      {"log_evidence", particles.info.log_evidence.mean()},
                      {"ess", particles.info.ess.mean()}}};
  }
};

}  // namespace

std::unique_ptr<Objective> make_maximum_likelihood(const ObjectiveOptions&) {
  return std::make_unique<MaximumLikelihood>();
}

}  // namespace kaem
