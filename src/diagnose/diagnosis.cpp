#include <ATen/ATen.h>

#include <algorithm>

#include "diagnose/parts.h"
#include "kaem/baseline/baselines.h"
#include "kaem/core/error.h"
#include "kaem/core/table.h"
#include "kaem/prior/prior.h"

namespace kaem::diagnose {
namespace {

using at::Tensor;

constexpr int64_t kChoice = 40, kPriorDraws = 41, kBatchOrder = 42;  // steps of Stream::kEvaluate; no metric's

/// One of the chains of each datum, by its weights: z [B,N,latent...], weight [B,N] -> [B,latent...].
Tensor one_each(const metrics::Annealed& annealed, const Rng& rng) {
  const Tensor weight = annealed.weight.to(at::kDouble);
  const Tensor u = rng.uniform(Stream::kEvaluate, kChoice, {weight.size(0), 1}, at::kDouble).to(weight.device());
  const Tensor chosen = at::searchsorted(weight.cumsum(1), u).clamp_max(weight.size(1) - 1).squeeze(1);
  return annealed.z.index({at::arange(weight.size(0), chosen.options()), chosen});
}

}  // namespace

Diagnosis::Diagnosis(evaluate::Evaluation& evaluation_in, Options options_in)
    : evaluation(evaluation_in), options(options_in) {}

const Tensor& Diagnosis::aggregated() {
  if (!aggregated_.defined()) aggregated_ = one_each(evaluation.posterior(), evaluation.rng);
  return aggregated_;
}

const Tensor& Diagnosis::prior_draws() {
  if (!prior_draws_.defined())
    prior_draws_ = model().prior->view()->sample(aggregated().size(0), evaluation.rng, Stream::kEvaluate, kPriorDraws);
  return prior_draws_;
}

const Batch& Diagnosis::batch() {
  if (batch_) return *batch_;
  const Dataset& data = evaluation.data();
  const int64_t count = std::min(options.batch, data.train.size(0));
  const Tensor index =
      evaluation.rng.permutation(Stream::kEvaluate, kBatchOrder, data.train.size(0)).slice(0, 0, count);
  if (data.prepare_rows) data.prepare_rows(index);
  const bool bytes = data.train.scalar_type() == at::kByte;
  return batch_.emplace(Batch{evaluation.as_model_sees(Dataset::to_float(data.train, index), bytes), index});
}

const metrics::Annealed& Diagnosis::annealed(size_t set) {
  if (annealed_[set]) return *annealed_[set];
  const metrics::PathOptions path{
      .kernel = evaluation.options.kernel, .levels = options.levels, .chains = std::max<int64_t>(4, options.chains)};
  const Rng own(evaluation.rng.seed() + 1 + set);  // shares no number with the other
  return annealed_[set].emplace(metrics::annealed_log_likelihood(model(), batch().x, path, own));
}

Posterior& Diagnosis::posterior() {
  if (!posterior_) posterior_ = load_posterior(evaluation.run, evaluation.data().train.size(0));
  return *posterior_;
}

Objective& Diagnosis::objective() {
  if (!objective_) objective_ = make_objective(evaluation.run.config.objective);
  return *objective_;
}

std::vector<Part> all_parts() { return {prior_part(), pictures_part(), chains_part(), gradients_part()}; }

std::vector<std::string> part_names() {
  std::vector<std::string> names;
  for (const Part& part : all_parts()) names.emplace_back(part.name);
  return names;
}

Part part_of(const std::string& name) {
  for (const Part& part : all_parts())
    if (part.name == name) return part;
  throw UsageError(unknown_name_message("part", name, part_names()));
}

std::string needs_posterior(Diagnosis& diagnosis) {
  if (!diagnosis.model().likelihood->has_density()) return "this model has no density p(x|z)";
  return "";
}

std::string needs_sampler(Diagnosis& diagnosis) {
  return is_baseline(diagnosis) ? "a baseline's updates are its own" : needs_posterior(diagnosis);
}

bool is_baseline(Diagnosis& diagnosis) { return find_baseline(diagnosis.evaluation.run.config.run.mode) != nullptr; }

}  // namespace kaem::diagnose
