#include <ATen/ATen.h>

#include "kaem/mcmc/kernel.h"
#include "kaem/model/model.h"
#include "kaem/prior/prior.h"
#include "objective/weighted.h"

namespace kaem {
namespace {

using at::Tensor;

/// -ELBO = -E_q[log p(x|z) + β (log p(z) - log q(z|x))], with reparameterised draws. docs/mathematics.md section 6.
struct Variational : Criterion<Encoded> {
  explicit Variational(const ObjectiveOptions& objective_options) : options(objective_options) {}

  Terms loss(const ModelView& view, const Tensor& x, const Encoded& draws, const Particles& all, int64_t step,
             const Rng& rng) override {
    SampleRows samples;
    samples.own_z = draws.z.unsqueeze(0);
    samples.own_weight = at::full_like(draws.log_q, 1.0 / static_cast<double>(draws.z.size(1))).detach().unsqueeze(0);
    WeightedLogProb log_prob = weighted_log_likelihood(view, x, samples, step, rng);
    const Tensor& likelihood = log_prob.likelihood;
    const Tensor rows = draws.z.flatten(0, 1);
    // z carries the encoder's graph: this is differentiated in z too.
    const Tensor equal = at::full({rows.size(0)}, 1.0 / static_cast<double>(rows.size(0)), rows.options());
    const Tensor prior = view.prior->weighted_log_prob(rows, equal, rng, step);
    const Tensor divergence = draws.log_q.mean() - prior;
    const double beta = options.beta.at(step);
    Particles shown = all;
    shown.info.log_evidence = (likelihood - divergence).detach();
    log_prob.prior = prior;
    Terms terms = make_terms(view, x, options, log_prob, shown);
    // make_terms counted -(prior + likelihood); the bound weighs the divergence by β.
    terms.total = terms.total + prior + beta * divergence;
    terms.named.push_back({"divergence", divergence.detach()});
    terms.named.push_back({"beta", at::full({}, beta, x.options())});
    return terms;
  }

  ops::Recordable recordable() const override { return ops::Recordable::kNothing; }

  ObjectiveOptions options;
};

}  // namespace

double BetaOptions::at(int64_t step) const {
  if (step >= cycles * cycle_length || annealing <= 0) return beta;
  const double share = static_cast<double>(step % cycle_length) / static_cast<double>(cycle_length);
  return beta * std::min(1.0, share / annealing);
}

std::unique_ptr<Objective> make_variational(const ObjectiveOptions& options) {
  return std::make_unique<Variational>(options);
}

}  // namespace kaem
