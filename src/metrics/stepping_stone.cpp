#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <array>
#include <cmath>
#include <vector>

#include "kaem/core/error.h"
#include "kaem/mcmc/kernels.h"
#include "kaem/mcmc/tempering.h"
#include "kaem/metrics/log_likelihood.h"
#include "kaem/model/model.h"
#include "kaem/posterior/target.h"
#include "kaem/prior/prior.h"

namespace kaem::metrics {
namespace {

using at::Tensor;

std::vector<double> to_vector(const Tensor& values) {
  const Tensor flat = values.to(at::kCPU, at::kDouble).contiguous();
  return {flat.const_data_ptr<double>(), flat.const_data_ptr<double>() + flat.numel()};
}

/// Sums over a run's exchanges, per datum and chain, from which the estimates of any subset of chains follow.
struct Sums {
  Tensor log_scaled;  ///< [K-1,B,N] log Σ_i exp(Δt_k ℓ(z_{k-1}))
  Tensor plain;       ///< [K,B,N] Σ_i ℓ(z_k)
  int64_t count = 0;

  void add(const Tensor& log_likelihood, const Tensor& steps) {
    const Tensor scaled = steps.reshape({-1, 1, 1}) * log_likelihood.slice(0, 0, -1);
    log_scaled = log_scaled.defined() ? at::logaddexp(log_scaled, scaled) : scaled;
    plain = plain.defined() ? plain + log_likelihood : log_likelihood.clone();
    ++count;
  }
};

/// Estimates [B] and their jackknife standard errors over chains: `each(keep)` -> [B] from chains `keep` (int64
/// indices).
template <class Estimate>
std::pair<Tensor, Tensor> jackknife(int64_t chains, Estimate each) {
  const Tensor all = at::arange(chains, at::kLong);
  std::vector<Tensor> left_out;
  for (int64_t n = 0; n < chains; ++n) left_out.push_back(each(at::cat({all.slice(0, 0, n), all.slice(0, n + 1)})));
  const Tensor values = at::stack(left_out);
  const auto count = static_cast<double>(chains);
  const Tensor error = ((values - values.mean(0)).square().sum(0) * ((count - 1) / count)).sqrt();
  return {each(all), error};
}

/// One run of tempered chains at a fixed ladder.
class Run {
 public:
  Run(const ModelView& view, const Tensor& x, const SteppingStoneOptions& run_options, const Rng& run_rng)
      : view_(view), x_(x), options(run_options), rng(run_rng), draws(mcmc::make_draws(rng, Stream::kPosterior, -4)) {
    state_.z = prior_chains(*view_.prior, {options.levels, x.size(0), options.chains}, rng, Stream::kEvaluate, 4);
  }

  /// `exchanges` steps from where the chains are; sums may be null.
  mcmc::ExchangeLog go(const std::vector<double>& ladder, int64_t exchanges, Sums* sums) {
    const auto number = x_.options();
    const Tensor all = at::tensor(ladder, at::kDouble).to(number), wide = at::tensor(ladder, at::kDouble);
    mcmc::Target target = posterior_target(view_, x_, all.slice(0, 1));
    const mcmc::KernelOptions setting = kernel_options();
    const mcmc::Kernel kernel = mcmc::make_kernel(target, setting);
    target.temperature = all.slice(0, 0, 1);
    const mcmc::Kernel zero = mcmc::make_kernel(target, setting);
    Tensor level_zero;
    const auto refresh = [&](mcmc::Draws&) {
      const std::array<int64_t, 3> chains = {1, x_.size(0), options.chains};
      const int64_t first = chains[1] * chains[2] * round_++;
      mcmc::State fresh = zero.init(prior_chains(*view_.prior, chains, rng, Stream::kLevelZero, -4, first));
      level_zero = fresh.likelihood.log_density;
      return fresh;
    };
    mcmc::State state = mcmc::join(refresh(draws), kernel.init(state_.z));
    mcmc::ExchangeLog log(options.levels + 1, x_.size(0), options.chains, number, exchanged_);
    const auto scheme = mcmc::parse_scheme(options.exchange);
    for (int64_t i = 0; i < exchanges; ++i) {
      state = mcmc::tempered_step(state, kernel, refresh, all, scheme, draws, log, nullptr);
      // Level 0 counts with its exact draws, before the exchange.
      if (sums != nullptr)
        sums->add(at::cat({level_zero, state.likelihood.log_density.slice(0, 1)}).to(at::kCPU, at::kDouble),
                  wide.diff());
    }
    state_.z = mcmc::slice(state, 1, options.levels + 1).z;
    exchanged_ = log.count;
    return log;
  }

 private:
  mcmc::KernelOptions kernel_options() {
    mcmc::KernelOptions setting;
    setting.name = options.kernel;
    setting.step_size = setting.delta = options.step_size;
    if (!mcmc::find_kernel(options.kernel).white) setting.preconditioner = prior_scales(*view_.prior, rng, 0);
    return setting;
  }

  ModelView view_;
  Tensor x_;
  const SteppingStoneOptions& options;
  const Rng& rng;
  mcmc::Draws draws;
  mcmc::State state_;
  int64_t round_ = 0, exchanged_ = 0;
};

}  // namespace

SteppingStone stepping_stone_log_likelihood(ModelImpl& model, const Tensor& x, const SteppingStoneOptions& options,
                                            const Rng& rng) {
  if (!model.prior->normalised())
    throw UsageError("stepping-stone sampling starts from exact prior draws; this prior has none");
  if (options.chains < 2) throw UsageError("stepping-stone sampling needs at least 2 chains for its standard error");
  const c10::AutoGradMode no_grad(false);
  Run run(model.view(), x, options, rng);
  std::vector<double> ladder = mcmc::power_ladder(options.levels, options.power);
  // Rounds of doubling length, then the run that counts at the ladder that they end with.
  for (int64_t done = 0, length = std::max<int64_t>(1, options.warmup / 7); done < options.warmup; length *= 2) {
    const int64_t exchanges = std::min(length, options.warmup - done);
    const mcmc::ExchangeLog log = run.go(ladder, exchanges, nullptr);
    done += exchanges;
    if (log.attempts.min().item<double>() > 0)  // else the round was too short to try all pairs
      ladder = mcmc::adapted_ladder(ladder, to_vector(1 - log.swap_rate()));
  }
  Sums sums;
  const mcmc::ExchangeLog log = run.go(ladder, options.steps, &sums);

  const Tensor temperature = at::tensor(ladder, at::kDouble), steps = temperature.diff().unsqueeze(1);
  const double log_count = std::log(static_cast<double>(sums.count));
  SteppingStone result;
  std::tie(result.ss.value, result.ss.standard_error) = jackknife(options.chains, [&](const Tensor& keep) {
    const Tensor log_mean =
        sums.log_scaled.index_select(2, keep).logsumexp(2) - (log_count + std::log(static_cast<double>(keep.size(0))));
    return log_mean.sum(0);
  });
  const auto riemann = [&](int64_t from) {
    return jackknife(options.chains, [&, from](const Tensor& keep) {
      const Tensor mean = sums.plain.index_select(2, keep).mean(2) / static_cast<double>(sums.count);
      return (steps * mean.slice(0, from, from + options.levels)).sum(0);
    });
  };
  std::tie(result.left, result.left_error) = riemann(0);
  std::tie(result.right, result.right_error) = riemann(1);
  result.temperature = temperature, result.swap_rate = log.swap_rate().to(at::kCPU, at::kDouble),
  result.barrier = log.barrier().item<double>();
  return result;
}

}  // namespace kaem::metrics
