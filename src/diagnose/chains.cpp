#include <ATen/ATen.h>

#include <cmath>

#include "diagnose/parts.h"
#include "kaem/core/number.h"
#include "kaem/core/str.h"
#include "kaem/mcmc/diagnostics.h"
#include "kaem/mcmc/kernel.h"
#include "kaem/posterior/target.h"
#include "kaem/prior/prior.h"

namespace kaem::diagnose {
namespace {

using at::Tensor;
using evaluate::Score;

constexpr int64_t kChains = 4;  // long ones of each datum, from prior draws
constexpr int64_t kStarts = 47, kMoves = 48;

/// log p(x|z) along long chains after their first half, [steps, chains, data].
Tensor long_chains(Diagnosis& d, const Tensor& x) {
  const ModelView view = d.model().view();
  const Tensor one = at::ones({1}, x.options());
  const mcmc::Target target = posterior_target(view, x, one);
  mcmc::KernelOptions options;
  options.name = "automala", options.step_size = 1e-2;
  options.preconditioner = prior_scales(*view.prior, d.evaluation.rng, 0);
  const mcmc::Kernel kernel = mcmc::make_kernel(target, options);
  mcmc::Draws draws = mcmc::make_draws(d.evaluation.rng, Stream::kEvaluate, kMoves);
  mcmc::State state =
      kernel.init(prior_chains(*view.prior, {1, x.size(0), kChains}, d.evaluation.rng, Stream::kEvaluate, kStarts));
  std::vector<Tensor> values;
  for (int64_t i = 0; i < d.options.steps; ++i) {
    state = kernel.step(state, draws).first;
    if (i >= d.options.steps / 2) values.push_back(state.likelihood.log_density[0].t().to(at::kDouble));
  }
  return at::stack(values);
}

/// Mean of log p(x_b|z) of weighted samples: [B].
Tensor mean_log_likelihood(Diagnosis& d, const Tensor& x, const Tensor& z, const Tensor& weight) {
  std::vector<Tensor> rows;
  for (int64_t b = 0; b < x.size(0); ++b)
    rows.push_back(
        (weight[b].exp() * d.model().log_likelihood(x.slice(0, b, b + 1), z.size(0) == 1 ? z[0] : z[b])[0]).sum());
  return at::stack(rows).to(at::kDouble);
}

/// How far the run's chains go from their prior draws, in standard deviations of the prior; a chain that has forgotten
/// its start is √2 of them away. NaN where they do not start there.
double distance_moved(Diagnosis& d, const Tensor& z, int64_t step) {
  const PosteriorOptions& options = d.evaluation.run.config.posterior;
  if (options.chain_start != "prior") return std::nan("");
  const int64_t levels = std::max<int64_t>(1, options.tempering.levels);
  const auto prior = d.model().prior->view();
  const Tensor start =
      prior_chains(*prior, {levels, z.size(0), z.size(1)}, d.evaluation.rng, Stream::kPrior, step)[levels - 1];
  return ((z - start) / d.prior_draws().std(0)).square().mean().sqrt().item<double>();
}

void add_own_sampler(Diagnosis& d, std::vector<Score>& scores) {
  const Batch& batch = d.batch();
  const int64_t step = d.evaluation.run.step;
  const Particles particles = d.posterior().sample(d.model().view(), batch, step, d.evaluation.rng);
  const Diagnostics& info = particles.info;
  if (info.ess.defined())
    scores.push_back(evaluate::mean_of("effective sample size of the run's draws", info.ess, "of each data point's"));
  if (info.acceptance.defined())
    scores.push_back({"acceptance of the run's chains", info.acceptance.mean().item<double>(), std::nan("")});
  if (!particles.weighted) {
    const Tensor& z = particles.encoded->z;
    const Tensor equal = at::full(z.sizes().slice(0, 2), -std::log(static_cast<double>(z.size(1))), z.options());
    scores.push_back(evaluate::mean_of("log p(x|z), the encoder's draws", mean_log_likelihood(d, batch.x, z, equal)));
    return;
  }
  const Weighted& own = *particles.weighted;
  scores.push_back(
      evaluate::mean_of("log p(x|z), the run's sampler", mean_log_likelihood(d, batch.x, own.z, own.log_weight)));
  if (info.acceptance.defined()) {
    const double moved = distance_moved(d, own.z, step);
    scores.push_back({"distance moved by the run's chains", moved, std::nan(""),
                      std::isnan(moved) ? "they do not start at prior draws"
                                        : "prior's deviations; 1.41 if the start is forgotten"});
  }
}

evaluate::Section tell_chains(Diagnosis& d) {
  std::vector<Score> scores;
  add_own_sampler(d, scores);
  const Batch& batch = d.batch();
  const metrics::Annealed& annealed = d.annealed(0);
  scores.push_back(evaluate::mean_of("log p(x|z), annealed draws",
                                     mean_log_likelihood(d, batch.x, annealed.z, annealed.weight.log()),
                                     str(grouped(d.options.levels), " temperatures")));
  const Tensor x = batch.x.slice(0, 0, d.options.long_data);
  const Tensor values = long_chains(d, x);
  scores.push_back(
      evaluate::mean_of("log p(x|z), long chains", values.flatten(0, 1).mean(0), str("of ", x.size(0), " data")));
  const Tensor rhat = mcmc::split_rhat(values), ess = mcmc::autocorrelation_ess(values);
  scores.push_back({"R-hat of long chains, median", rhat.median().item<double>(), std::nan(""), "1: mixed"});
  scores.push_back({"R-hat of long chains, largest", rhat.max().item<double>(), std::nan("")});
  scores.push_back({"effective draws of 1,000 steps",
                    ess.median().item<double>() * 1000 / static_cast<double>(values.size(0) * kChains), std::nan(""),
                    "median over data"});
  evaluate::Section section;
  section.text =
      evaluate::text_of("Samples of the posterior",
                        {str(batch.x.size(0), " training data; log p(x|z) where it should be says that the draws are"),
                         str("long chains: autoMALA, ", grouped(d.options.steps), " steps, the first half left out, ",
                             kChains, " a data point")},
                        scores);
  section.scores = std::move(scores);
  return section;
}

}  // namespace

Part chains_part() {
  return {"chains", "the run's own posterior samples against annealed draws and long chains", needs_sampler,
          tell_chains};
}

}  // namespace kaem::diagnose
