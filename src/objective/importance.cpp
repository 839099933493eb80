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
    Tensor generated = particles.generated.defined() ? particles.generated[0][0] : model.generate_raw(z);
    const double noise = model.options.generator.noise;
    if (noise > 0)  // one draw per x̂_s, shared by all data, so that the distance matrix stays
      generated = generated + noise * rng.normal(Stream::kNoise, step, generated.sizes(), generated.options());
    const Tensor xhat = model.likelihood.activate(generated);
    const Tensor residual = weighted_squared_distance(weight, x, xhat);
    const Tensor log_likelihood = model.likelihood.log_prob(residual, model.data_size());
    const Tensor log_prior = model.prior->weighted_log_prob(z, weight.mean(0), rng, step);

    const double two_variances = 2 * model.likelihood.sigma * model.likelihood.sigma;
    return {.total = -(log_prior + log_likelihood),
            .named = {{"log_prior", log_prior.detach()},
                      {"log_likelihood", log_likelihood.detach()},
                      {"residual", residual.detach() / two_variances},
                      {"log_evidence", particles.info.log_evidence.mean()},
                      {"ess", particles.info.ess.mean()}}};
  }

  /// mean_b Σ_s w_bs ‖x_b - x̂_s‖² without its B×S×D form: rows of w sum to 1.
  static Tensor weighted_squared_distance(const Tensor& weight, const Tensor& x, const Tensor& xhat) {
    const double batch = static_cast<double>(x.size(0));
    const Tensor data = x.square().sum() / batch;
    const Tensor model = (weight.mean(0) * xhat.square().sum(1)).sum();
    const Tensor cross = (weight.t().matmul(x) * xhat).sum() / batch;
    return data + model - 2 * cross;
  }
};

}  // namespace

std::unique_ptr<Objective> make_maximum_likelihood(const ObjectiveOptions&) {
  return std::make_unique<MaximumLikelihood>();
}

}  // namespace kaem
