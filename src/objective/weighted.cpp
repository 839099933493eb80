#include "objective/weighted.h"

#include <ATen/ATen.h>

#include "kaem/mcmc/kernel.h"
#include "kaem/model/model.h"
#include "kaem/ops/rows.h"
#include "kaem/prior/prior.h"

namespace kaem {
namespace {

using at::Tensor;

/// Rows of both parts, one below the other.
Tensor all_rows(const SampleRows& samples) {
  std::vector<Tensor> parts;
  if (samples.shared_z.defined()) parts.push_back(samples.shared_z);
  if (samples.own_z.defined()) parts.push_back(mcmc::flatten_chains(samples.own_z));
  return parts.size() == 1 ? parts[0] : at::cat(parts);
}

/// The data that belong to the rows, for autoregressive generators (which have samples of each datum's own only).
Tensor row_data(const ModelImpl& model, const Tensor& x, const SampleRows& samples) {
  if (!model.generator->autoregressive()) return {};
  TORCH_CHECK_VALUE(
      !samples.shared_z.defined(),
      "an autoregressive generator cannot share samples among data: they would cost a pass for each pair");
  const auto chains = samples.own_z.sizes();
  return mcmc::flatten_chains(x.unsqueeze(0).unsqueeze(2).expand({chains[0], chains[1], chains[2], x.size(1)}));
}

/// Without the shared samples to which no datum gives a weight: most of them, after resampling.
SampleRows in_use(const SampleRows& samples) {
  const Tensor used = ops::rows_in_use(at::any(samples.shared_weight, 0));
  if (!used.defined()) return samples;
  SampleRows kept = samples;
  kept.shared_rows = used, kept.shared_drawn = samples.shared_z.size(0);
  kept.shared_z = samples.shared_z.index_select(0, used);
  kept.shared_weight = samples.shared_weight.index_select(1, used);
  kept.shared_generated = samples.shared_generated.index_select(0, used);
  return kept;
}

/// Standard normals for the rows of `all_rows`, [rows,D], afresh for every update. A row's are those of the draw that
/// it is, wherever other draws are left out and whichever part of the batch is here.
Tensor noise_of(const SampleRows& samples, const Tensor& generated, int64_t step, const Rng& rng) {
  const int64_t width = generated.size(1), here = samples.shared_z.defined() ? samples.shared_z.size(0) : 0;
  const int64_t shared = samples.shared_rows.defined() ? samples.shared_drawn : here;
  const auto options = generated.options();
  std::vector<Tensor> parts;
  if (here > 0) {
    const Tensor all = rng.normal(Stream::kNoise, step, {shared, width}, options);
    parts.push_back(samples.shared_rows.defined() ? all.index_select(0, samples.shared_rows) : all);
  }
  if (samples.own_z.defined()) {
    const auto chains = samples.own_z.sizes();
    const int64_t of_level = rng.all_rows(chains[1]) * chains[2];
    const Tensor levels = samples.own_levels.defined() ? samples.own_levels.cpu() : at::arange(chains[0], at::kLong);
    for (int64_t t = 0; t < chains[0]; ++t)
      parts.push_back(rng.row_normal(Stream::kNoise, step, {chains[1], chains[2], width}, 0, options,
                                     (shared + levels[t].item<int64_t>() * of_level) * width)
                          .flatten(0, 1));
  }
  return parts.size() == 1 ? parts[0] : at::cat(parts);
}

}  // namespace

WeightedLogProb weighted_log_likelihood(const ModelView& view, const Tensor& x, const SampleRows& all, int64_t step,
                                        const Rng& rng) {
  ModelImpl& model = view.model;
  const SampleRows samples = all.shared_generated.defined() ? in_use(all) : all;
  Tensor generated = samples.shared_generated;
  const int64_t own_from = samples.shared_z.defined() ? samples.shared_z.size(0) : 0;
  if (!generated.defined())
    generated = model.generate_for_training(all_rows(samples), row_data(model, x, samples), own_from);
  if (const double noise = model.options.generator.noise; noise > 0)
    generated = generated + noise * noise_of(samples, generated, step, rng);
  WeightedLogProb sum;
  const auto add = [](Tensor& to, const Tensor& part) { to = to.defined() ? to + part : part; };
  if (samples.shared_z.defined()) {
    const Tensor shared = generated.narrow(0, 0, own_from);
    add(sum.likelihood, model.likelihood->weighted_all_pairs(samples.shared_weight, x, shared));
    if (model.perceptual)
      add(sum.perceptual, model.perceptual->weighted_all_pairs(*model.likelihood, samples.shared_weight, x, shared));
  }
  if (samples.own_z.defined()) {
    const Tensor own = mcmc::unflatten_chains(generated.slice(0, own_from), samples.own_z.sizes().slice(0, 3));
    add(sum.likelihood, model.likelihood->weighted_own(samples.own_weight, x, own));
    if (model.perceptual)
      add(sum.perceptual, model.perceptual->weighted_own(*model.likelihood, samples.own_weight, x, own));
  }
  return sum;
}

Tensor weighted_log_prior(const ModelView& view, const SampleRows& samples, int64_t step, const Rng& rng) {
  std::vector<Tensor> weights;
  if (samples.shared_z.defined()) weights.push_back(samples.shared_weight.mean(0));
  if (samples.own_z.defined())
    weights.push_back(mcmc::flatten_chains(samples.own_weight) / static_cast<double>(samples.own_weight.size(1)));
  return view.prior->weighted_log_prob(all_rows(samples), weights.size() == 1 ? weights[0] : at::cat(weights), rng,
                                       step);
}

WeightedLogProb weighted_log_prob(const ModelView& view, const Tensor& x, const SampleRows& samples, int64_t step,
                                  const Rng& rng) {
  WeightedLogProb log_prob = weighted_log_likelihood(view, x, samples, step, rng);
  log_prob.prior = weighted_log_prior(view, samples, step, rng);
  return log_prob;
}

Terms make_terms(const ModelView& view, const Tensor& x, const ObjectiveOptions& options,
                 const WeightedLogProb& log_prob, const Particles& particles) {
  const ModelImpl& model = view.model;
  Terms terms;
  terms.total = -(log_prob.prior + log_prob.likelihood);
  const auto show = [&](const char* name, const Tensor& value, Measure measure = Measure::kTerm) {
    if (value.defined()) terms.named.push_back({name, value.detach().mean(), measure});
  };
  show("log_prior", log_prob.prior);
  show("log_likelihood", log_prob.likelihood);
  if (log_prob.perceptual.defined()) {
    terms.total = terms.total - log_prob.perceptual;
    show("perceptual", log_prob.perceptual);
  }
  show("residual", model.likelihood->constant(model.data_size()) - log_prob.likelihood.detach());
  if (const Tensor words = model.likelihood->mean_words(x); words.defined())
    show("token_loss", -log_prob.likelihood.detach() / words);
  show("log_evidence", particles.info.log_evidence);
  show("ess", particles.info.ess, Measure::kEss);
  show("acceptance", particles.info.acceptance, Measure::kAcceptance);
  if (particles.info.swap_rate.defined()) {
    for (int64_t i = 0; i < particles.info.swap_rate.size(0); ++i)
      terms.named.push_back({"swap_" + std::to_string(i), particles.info.swap_rate[i], Measure::kSwapRate});
    show("barrier", particles.info.barrier, Measure::kBarrier);
    show("round_trips", particles.info.round_trips);
  }
  if (particles.encoder_log_q.defined()) {  // the encoder follows the chains
    const Tensor log_q = particles.encoder_log_q.mean();
    terms.total = terms.total - log_q;
    show("log_q", log_q);
  }
  if (particles.encoder_bound.defined()) {  // a gradient without a value
    const Tensor bound = particles.encoder_bound.mean();
    terms.total = terms.total - bound + bound.detach();
  }
  if (const Tensor penalty = model.prior->penalty(); penalty.defined()) {
    terms.total = terms.total + penalty;
    show("prior_penalty", penalty);
  }
  const auto& regulariser = options.regulariser;
  for (const auto& [on, module, name] :
       {std::tuple<bool, const torch::nn::Module*, const char*>{regulariser.prior, model.prior.get(), "kan_prior"},
        {regulariser.generator, model.generator.get(), "kan_generator"}}) {
    if (!on || regulariser.total == 0) continue;
    const Tensor size = kan_penalty(*module, regulariser);
    if (!size.defined()) continue;
    const Tensor penalty = regulariser.total * size;
    terms.total = terms.total + penalty;
    show(name, penalty);
  }
  return terms;
}

}  // namespace kaem
