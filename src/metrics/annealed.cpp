#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "kaem/core/error.h"
#include "kaem/core/str.h"
#include "kaem/core/table.h"
#include "kaem/mcmc/kernels.h"
#include "kaem/mcmc/tempering.h"
#include "kaem/metrics/log_likelihood.h"
#include "kaem/model/model.h"
#include "kaem/posterior/target.h"
#include "kaem/prior/prior.h"

namespace kaem::metrics {
namespace {

using at::Tensor;

/// Steps of the counter-based streams: pilot run, run that counts, reverse run; and those of the prior's own path,
/// which must share no numbers with the data's: the difference of the two is what is reported.
enum RunNumber : int64_t { kPilot = 1, kForward, kReverse, kRuns };

/// p0·exp(t f) of a prior that is no more than that up to log Z, as chains see it; with x, ℓ is added to f.
mcmc::Target tilted_target(const ModelView& view, const Tensor& x, const Tensor& temperature) {
  const auto on_chains = [&view](auto part) {
    return [prior = view.prior, part](const Tensor& z, mcmc::Want) {
      const auto chains = z.sizes().slice(0, 3);
      const auto [value, gradient] = (prior->tilted()->*part)(mcmc::flatten_chains(z));
      return mcmc::Value{mcmc::unflatten_chains(value, chains), mcmc::unflatten_chains(gradient, chains)};
    };
  };
  mcmc::Target target;
  if (x.defined()) target = posterior_target(view, x, temperature);
  target.temperature = temperature;
  std::tie(target.lower, target.upper) = view.model.prior->domain();
  target.prior = on_chains(&TiltedBase::base_density);
  target.whitening.residual = nullptr;  // p0 itself is the Gaussian that y whitens
  target.likelihood = [tilt = on_chains(&TiltedBase::tilt), data = target.likelihood](const Tensor& z,
                                                                                      mcmc::Want want) {
    mcmc::Value value = tilt(z, want);
    if (!data) return value;
    const mcmc::Value more = data(z, want);
    return mcmc::Value{value.log_density + more.log_density, value.gradient + more.gradient};
  };
  return target;
}

/// Walks chains along temperatures, gathering log-weights: from the prior to the posterior, or for a prior without a
/// normaliser from its base density (x undefined: to the prior itself).
class Path {
 public:
  Path(const ModelView& path_view, const Tensor& x, const PathOptions& path_options, const Rng& path_rng)
      : options(path_options),
        traits(mcmc::find_kernel(options.kernel)),
        rng(path_rng),
        first_run(x.defined() ? 0 : static_cast<int64_t>(kRuns)),
        view(path_view),
        temperatures(mcmc::power_ladder(options.levels, options.power)) {
    if (!traits.exact)
      throw UsageError(str("annealed importance sampling needs transitions that leave each density invariant: ",
                           listed(mcmc::exact_kernel_names()), ", not ", traits.name));
    const Tensor zero = at::zeros({1}, x.defined() ? x.options() : view.model.parameters().front().options());
    target = view.prior->tilted() == nullptr ? posterior_target(view, x, zero) : tilted_target(view, x, zero);
  }

  /// Forward from prior draws: log-weights [B,N]. `step_sizes` are read, or written by a pilot run.
  Tensor forward(int64_t data, int64_t run, std::vector<double>& step_sizes, bool pilot) {
    run += first_run;
    mcmc::Draws draws = mcmc::make_draws(rng, Stream::kPosterior, -run);
    const std::array<int64_t, 3> chains = {1, data, options.chains};
    mcmc::State state = kernel(0, step_sizes[0]).init(start(chains, run));
    Tensor log_weight = at::zeros({data, options.chains}, state.z.options().dtype(at::kDouble));
    for (size_t k = 1; k < temperatures.size(); ++k) {
      log_weight += (temperatures[k] - temperatures[k - 1]) * state.likelihood.log_density[0].to(at::kDouble);
      if (k + 1 < temperatures.size()) move(state, k, draws, step_sizes, pilot);
    }
    last_z = state.z[0];
    return log_weight;
  }

  /// Backwards from exact posterior draws z [B, latent...].
  Tensor reverse(const Tensor& z, const std::vector<double>& step_sizes) {
    mcmc::Draws draws = mcmc::make_draws(rng, Stream::kPosterior, -static_cast<int64_t>(kReverse));
    std::vector<int64_t> sizes = z.sizes().vec();
    sizes.insert(sizes.begin() + 1, options.chains);
    const Tensor start = z.unsqueeze(1).expand(sizes).unsqueeze(0).contiguous();
    const size_t last = temperatures.size() - 1;
    mcmc::State state = kernel(last, step_sizes[last]).init(start);
    Tensor log_weight = at::zeros({z.size(0), options.chains}, z.options().dtype(at::kDouble));
    std::vector<double> fixed = step_sizes;
    for (size_t k = last; k > 0; --k) {
      if (k < last) move(state, k, draws, fixed, /*pilot=*/false);
      log_weight += (temperatures[k] - temperatures[k - 1]) * state.likelihood.log_density[0].to(at::kDouble);
    }
    return log_weight;
  }

  std::vector<double> pilot_step_sizes(int64_t data) {
    std::vector<double> step_sizes(temperatures.size(), options.step_size);
    if (!traits.adapts) forward(data, kPilot, step_sizes, /*pilot=*/true);
    acceptance_sum = 0, moves = 0;
    return step_sizes;
  }

  Tensor last_z;  ///< [B,N,latent...] at the end of the last forward run
  double acceptance_sum = 0;
  int64_t moves = 0;

 private:
  mcmc::Kernel kernel(size_t level, double step_size) {
    target.temperature = at::full_like(target.temperature, temperatures[level]);
    mcmc::KernelOptions setting;
    setting.name = options.kernel;
    setting.step_size = setting.delta = step_size;
    if (!traits.white) {
      if (!scales.defined()) scales = prior_scales(*view.prior, rng, 0);
      setting.preconditioner = scales;
    }
    return mcmc::make_kernel(target, setting);
  }

  Tensor start(at::IntArrayRef chains, int64_t run) {
    const TiltedBase* const base = view.prior->tilted();
    if (base == nullptr) return prior_chains(*view.prior, chains, rng, Stream::kEvaluate, run);
    const int64_t rows = chains[0] * chains[1] * chains[2];
    return mcmc::unflatten_chains(base->sample_base(rows, rng, Stream::kEvaluate, run), chains);
  }

  void move(mcmc::State& state, size_t k, mcmc::Draws& draws, std::vector<double>& step_sizes, bool pilot) {
    // A Robbins-Monro step on log η after each move; acceptance is a mean over all data and chains.
    constexpr double kGain = 0.5;
    for (int64_t i = 0; i < options.steps; ++i) {
      auto [next, info] = kernel(k, step_sizes[k]).step(state, draws);
      state = std::move(next);
      const double acceptance = info.acceptance.mean().item<double>();
      acceptance_sum += acceptance, ++moves;
      if (!pilot) continue;
      step_sizes[k] *= std::exp(kGain * (acceptance - options.target_acceptance));
    }
    if (pilot && k + 1 < step_sizes.size()) step_sizes[k + 1] = step_sizes[k];
  }

  const PathOptions& options;
  const mcmc::KernelRow& traits;
  const Rng& rng;
  int64_t first_run;  ///< added to a run's number
  ModelView view;
  std::vector<double> temperatures;
  mcmc::Target target;
  Tensor scales;
};

/// log of the mean of all weights but one, for each left out: log_weight [B,N] -> [B,N].
Tensor leave_one_out(const Tensor& log_weight) {
  const auto [top, which] = log_weight.max(1, true);
  const Tensor others = (log_weight - top).exp();
  // The largest weight is taken out of the sum of all by summing the rest; beside it, any other may be subtracted.
  const Tensor without_top = log_weight.scatter(1, which, -std::numeric_limits<double>::infinity()).logsumexp(1, true);
  const Tensor log_sum = top + (others.sum(1, true) - others).log();
  return log_sum.scatter(1, which, without_top) - std::log(static_cast<double>(log_weight.size(1) - 1));
}

/// log mean_n w_n (sign 1), or minus it (reverse chains, sign -1). Its standard error is the jackknife's over chains
/// (Efron 1979), whose bias of the logarithm joins it: a few chains of a distribution with several modes weigh so
/// unequally that the delta method, which looks at their sample variance, sees half of the error.
LogLikelihood summarise(const Tensor& log_weight, double sign) {
  const Tensor weights = (sign * log_weight).cpu();
  const auto count = static_cast<double>(weights.size(1));
  const Tensor log_sum = weights.logsumexp(1), value = log_sum - std::log(count);
  const Tensor ess = (2 * log_sum - (2 * weights).logsumexp(1)).exp();
  Tensor error = at::full_like(value, std::nan(""));
  if (count > 1) {
    const Tensor others = leave_one_out(weights);
    const Tensor variance = (others - others.mean(1, true)).square().sum(1) * ((count - 1) / count);
    const Tensor bias = (count - 1) * (others.mean(1) - value);
    error = (variance + bias.square()).sqrt();
  }
  return {sign * value, error, ess};
}

}  // namespace

double LogLikelihood::error_of_mean() const {
  const auto count = static_cast<double>(standard_error.size(0));
  return std::sqrt(standard_error.square().sum().item<double>() / (count * count) + common_error * common_error);
}

LogLikelihood annealed_log_normaliser(ModelImpl& model, const PathOptions& options, const Rng& rng) {
  const c10::AutoGradMode no_grad(false);
  if (model.prior->normalised())
    return {at::zeros({1}, at::kDouble), at::zeros({1}, at::kDouble), at::full({1}, options.chains, at::kDouble), 0};
  Path path(model.view(), {}, options, rng);
  std::vector<double> step_sizes = path.pilot_step_sizes(1);
  return summarise(path.forward(1, kForward, step_sizes, /*pilot=*/false), 1);
}

Annealed annealed_log_likelihood(ModelImpl& model, const Tensor& x, const PathOptions& options, const Rng& rng) {
  const c10::AutoGradMode no_grad(false);
  Path path(model.view(), x, options, rng);
  std::vector<double> step_sizes = path.pilot_step_sizes(x.size(0));
  const Tensor log_weight = path.forward(x.size(0), kForward, step_sizes, /*pilot=*/false);
  Annealed result;
  static_cast<LogLikelihood&>(result) = summarise(log_weight, 1);
  result.z = path.last_z, result.weight = log_weight.softmax(1);
  result.acceptance = path.acceptance_sum / static_cast<double>(std::max<int64_t>(1, path.moves));
  if (model.prior->normalised()) return result;
  // log p(x) = log ∫ p0 exp(f) p(x|z) dz - log Z, each by its own chains.
  PathOptions of_prior = options;
  of_prior.chains = options.chains * x.size(0);
  const LogLikelihood log_z = annealed_log_normaliser(model, of_prior, rng);
  result.value = result.value - log_z.value;
  result.common_error = log_z.standard_error.item<double>();
  return result;
}

LogLikelihood reverse_annealed_log_likelihood(ModelImpl& model, const Tensor& x, const Tensor& z,
                                              const PathOptions& options, const Rng& rng) {
  const c10::AutoGradMode no_grad(false);
  if (!model.prior->normalised()) throw UsageError("reverse chains bound log p(x) for normalised priors only");
  Path path(model.view(), x, options, rng);
  return summarise(path.reverse(z, path.pilot_step_sizes(x.size(0))), -1);
}

}  // namespace kaem::metrics
