#include <ATen/ATen.h>

#include "objective/weighted.h"

namespace kaem {
namespace {

using at::Tensor;

/// -mean_b Σ_n w_bn (log p(z_n) + log p(x_b|z_n)), weights detached. docs/mathematics.md section 6.
struct MaximumLikelihood : Criterion<Weighted> {
  explicit MaximumLikelihood(const ObjectiveOptions& objective_options) : options(objective_options) {}

  Terms loss(const ModelView& view, const Tensor& x, const Weighted& samples, const Particles& all, int64_t step,
             const Rng& rng) override {
    const Tensor weight = samples.log_weight.exp();
    SampleRows rows;
    if (samples.shared)
      rows.shared_z = samples.z[0], rows.shared_weight = weight, rows.shared_generated = samples.generated;
    else
      rows.own_z = samples.z.unsqueeze(0), rows.own_weight = weight.unsqueeze(0);
    return make_terms(view, x, options, weighted_log_prob(view, x, rows, step, rng), all);
  }

  ops::Recordable recordable() const override { return ops::Recordable::kAll; }

  ObjectiveOptions options;
};

}  // namespace

std::unique_ptr<Objective> make_maximum_likelihood(const ObjectiveOptions& options) {
  return std::make_unique<MaximumLikelihood>(options);
}

}  // namespace kaem
