#include <ATen/ATen.h>

#include "objective/objectives.h"
#include "objective/weighted.h"

namespace kaem {
namespace {

using at::Tensor;

/// -mean_b Σ_n w_bn (log p(z_n) + log p(x_b|z_n)), weights detached: particles of the posterior, whoever made them
/// (importance and langevin). docs/mathematics.md section 6.
struct MaximumLikelihood : Objective {
  explicit MaximumLikelihood(const ObjectiveOptions& objective_options) : options(objective_options) {}

  Terms evaluate(const ModelView& view, const Tensor& x, const Particles& particles, int64_t step,
                 const Rng& rng) override {
    const int64_t last = particles.z.size(0) - 1;
    const Tensor z = particles.z.narrow(0, last, 1), weight = particles.log_weight.narrow(0, last, 1).exp();
    WeightedSamples samples;
    if (z.size(1) == weight.size(1)) {
      samples.own_z = z, samples.own_weight = weight;
    } else {
      samples.shared_z = z[0][0], samples.shared_weight = weight[0];
      if (particles.generated.defined()) samples.shared_generated = particles.generated[0][0];
    }
    return make_terms(view, x, options, weighted_log_prob(view, x, samples, step, rng), particles);
  }

  ops::Recordable recordable() const override { return ops::Recordable::kAll; }

  ObjectiveOptions options;
};

}  // namespace

std::unique_ptr<Objective> make_maximum_likelihood(const ObjectiveOptions& options) {
  return std::make_unique<MaximumLikelihood>(options);
}

}  // namespace kaem
