#include <ATen/ATen.h>

#include <cmath>

#include "diagnose/parts.h"
#include "kaem/core/number.h"
#include "kaem/core/str.h"
#include "kaem/metrics/two_sample.h"
#include "kaem/prior/prior.h"

namespace kaem::diagnose {
namespace {

using at::Tensor;
using evaluate::Score;

/// Where each coordinate of z [n, latent...] stands in the prior's distribution: [n,K] in (0,1). By its distribution
/// function, or by its rank among draws of a prior that has none.
Tensor ranks_of(Diagnosis& d, const Tensor& z) {
  const auto prior = d.model().prior->view();
  if (const auto* distribution = prior->distribution()) return distribution->cdf(z).flatten(1).to(at::kDouble);
  constexpr int64_t kDraws = 10000, kRankDraws = 43;
  const Tensor draws = std::get<0>(
      prior->sample(kDraws, d.evaluation.rng, Stream::kEvaluate, kRankDraws).flatten(1).t().contiguous().sort(1));
  const Tensor rank = at::searchsorted(draws, z.flatten(1).t().contiguous()).to(at::kDouble);
  return ((rank + 0.5) / (kDraws + 1.0)).t();
}

/// "q 3, p 17" of a coordinate's number.
std::string name_of(Diagnosis& d, int64_t component) {
  const auto latent = d.model().latent_shape();
  return latent.size() < 2 ? str("q ", component) : str("q ", component / latent[1], ", p ", component % latent[1]);
}

/// Scores of one number a component.
void add_components(Diagnosis& d, const std::string& name, const Tensor& values, std::vector<Score>& scores) {
  const auto largest = values.argmax().item<int64_t>();
  scores.push_back({name + ", median", values.median().item<double>(), std::nan(""), "over components"});
  scores.push_back({name + ", largest", values.max().item<double>(), std::nan(""), name_of(d, largest)});
}

evaluate::Section tell_prior(Diagnosis& d) {
  const Tensor& z = d.aggregated();
  const auto count = static_cast<double>(z.size(0));
  const Tensor u = ranks_of(d, z);
  const Tensor distance = metrics::uniform_distance(u), divergence = metrics::uniform_divergence(u);
  evaluate::Section section;
  add_components(d, "KS distance", distance, section.scores);
  // The 5 % point of the limit distribution.
  const Tensor beyond = (distance > 1.358 / std::sqrt(count)).to(at::kDouble);
  section.scores.push_back({"components beyond the 5 % point", beyond.mean().item<double>(), std::nan(""),
                            "a share; 0.05 if prior and posterior meet"});
  add_components(d, "KL(posterior|prior)", divergence, section.scores);
  section.scores.push_back({"KL(posterior|prior), sum", divergence.sum().item<double>(), std::nan(""),
                            "nats, as if components were independent"});
  ModelImpl& model = d.model();
  const Tensor features = model.prior->features(z), of_prior = model.prior->features(d.prior_draws());
  const auto accuracy = metrics::two_sample_accuracy(features, of_prior, d.evaluation.rng);
  section.scores.push_back({"two-sample accuracy, generator's inputs", accuracy.value, accuracy.error,
                            "a classifier's; 0.5: cannot be told from the prior's"});
  const auto of_latents = metrics::two_sample_accuracy(z.flatten(1), d.prior_draws().flatten(1), d.evaluation.rng);
  section.scores.push_back({"two-sample accuracy, latents", of_latents.value, of_latents.error});
  section.text = evaluate::text_of(
      "Aggregated posterior against the prior",
      {str("one posterior draw of each of ", grouped(z.size(0)), " test data, ", grouped(u.size(1)), " components")},
      section.scores);
  return section;
}

}  // namespace

Part prior_part() {
  return {"prior", "the aggregated posterior against the prior, by component and jointly", needs_posterior, tell_prior};
}

}  // namespace kaem::diagnose
