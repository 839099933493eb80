#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <utility>

#include "evaluate/rows.h"
#include "kaem/core/number.h"
#include "kaem/core/str.h"
#include "kaem/metrics/ranking.h"
#include "kaem/prior/prior.h"

namespace kaem::evaluate {
namespace {

using at::Tensor;

/// How little a datum is expected, by each score: [N] float64 on the CPU.
using Surprises = std::vector<std::pair<std::string, Tensor>>;

/// -log p(x) by annealed importance sampling, means over its weighted draws of the posterior, and the relative error
/// |x - x̂|²/|x|² of the posterior mean x̂.
Surprises surprises_of(Evaluation& e, const Tensor& x) {
  const c10::AutoGradMode no_grad(false);
  ModelImpl& model = *e.run.model;
  const metrics::PathOptions path{.kernel = e.options.kernel, .levels = e.options.levels, .chains = e.options.chains};
  const metrics::Annealed annealed = metrics::annealed_log_likelihood(model, x, path, e.rng);
  const auto prior = model.prior->view();
  Tensor log_likelihood = at::zeros({x.size(0)}, at::kDouble), log_prior = at::zeros_like(log_likelihood), mean;
  for (int64_t n = 0; n < annealed.z.size(1); ++n) {
    const Tensor z = annealed.z.select(1, n), weight = annealed.weight.select(1, n).to(at::kCPU, at::kDouble);
    const Tensor generated = model.generate_raw(z);
    const Tensor of_x = model.likelihood->value_and_gradient(x, generated.unsqueeze(1).unsqueeze(0)).first.flatten();
    const Tensor part = model.likelihood->activate(generated).flatten(1) * weight.unsqueeze(1).to(x.scalar_type());
    mean = mean.defined() ? mean + part : part;
    log_likelihood += weight * of_x.to(at::kCPU, at::kDouble);
    log_prior += weight * prior->log_prob(z).to(at::kCPU, at::kDouble);
  }
  // Of a plain picture every model leaves little unexplained: a share of the picture tells more than the amount.
  const Tensor power = x.flatten(1).square().sum(1), error = (x.flatten(1) - mean).square().sum(1);
  const Tensor share = (error / power.clamp_min(1e-12)).to(at::kCPU, at::kDouble);
  return {{"-log p(x)", -annealed.value},
          {"-log p(x,z)", -(log_likelihood + log_prior)},
          {"-log p(z)", -log_prior},
          {"-log p(x|z)", -log_likelihood},
          {"relative error", share}};
}

}  // namespace

Section told_by_surprise(Evaluation& e, const Tensor& own, const Tensor& other, const std::string& name,
                         const std::string& title, const std::string& line) {
  const Surprises of_own = surprises_of(e, own), of_other = surprises_of(e, other);
  Section section;
  for (size_t i = 0; i < of_own.size(); ++i) {
    const auto& [score, values] = of_own[i];
    const metrics::Estimate area = metrics::area_under_roc(of_other[i].second, values),
                            precision = metrics::average_precision(of_other[i].second, values, e.rng);
    section.scores.push_back({str("AUROC ", name, ", ", score), area.value, area.error});
    section.scores.push_back({str("AUPRC ", name, ", ", score), precision.value, precision.error});
  }
  const double share = static_cast<double>(other.size(0)) / static_cast<double>(own.size(0) + other.size(0));
  section.text =
      text_of(title,
              {line,
               str("AIS: ", grouped(e.options.levels), " temperatures, ", e.options.chains,
                   " chains; z: its draws of the posterior, by their weights; relative error: |x - E f(z)|^2 / |x|^2"),
               str("chance has AUROC 0.5 and AUPRC ", std::to_string(share).substr(0, 5))},
              section.scores);
  return section;
}

}  // namespace kaem::evaluate
