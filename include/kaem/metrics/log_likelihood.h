#pragma once

#include <ATen/core/Tensor.h>

#include <string>

#include "kaem/core/rng.h"

namespace kaem {
struct ModelImpl;
}

/// Estimates of log p(x) of single data, each with a standard error. docs/mathematics.md section 7.
namespace kaem::metrics {

/// All float64 [B], on the CPU.
struct LogLikelihood {
  at::Tensor value;
  at::Tensor standard_error;  ///< of each datum's own draws; NaN where there is but one
  at::Tensor ess;             ///< effective sample size of the weights; undefined where there are none
  double common_error = 0;  ///< standard error that all data share (a deep prior's log Z): no mean over data lowers it

  /// Standard error of the mean over data: √(Σ_b error_b²/B² + common²); NaN where an error is.
  double error_of_mean() const;
};

/// log mean_s p(x_b|z_s), z_s ~ prior: biased downwards by about 1/(2 ESS).
LogLikelihood importance_log_likelihood(ModelImpl& model, const at::Tensor& x, int64_t samples, const Rng& rng);

/// log p(x_b|z_s), float64 [B,S], of the draws that importance_log_likelihood takes.
at::Tensor importance_log_weights(ModelImpl& model, const at::Tensor& x, int64_t samples, const Rng& rng);

/// What importance_log_likelihood says, given these.
LogLikelihood importance_log_likelihood(const at::Tensor& log_weights);

/// log p(x) of a model less that of another, both from the same uniforms.
struct Change {
  at::Tensor value;  ///< float64 [B], of each datum
  double mean = 0;   ///< over the data
  double error = 0;  ///< standard error of `mean` from the draws, which all data share; NaN of a single draw
};

/// By log weights [B,S] of the one and of the other; the error by the delta method: that of the mean over draws of
/// mean_b (w'_bs/mean w'_b - w_bs/mean w_b).
Change change_of(const at::Tensor& before, const at::Tensor& after);

/// Chains between prior (t = 0) and posterior (t = 1).
struct PathOptions {
  std::string kernel = "mala";  ///< an exact one: leaves each π_t invariant
  int64_t levels = 500;         ///< temperatures after t = 0
  double power = 4;             ///< t_k = (k/levels)^power
  int64_t chains = 10;          ///< of each datum
  int64_t steps = 1;            ///< moves at each temperature
  double step_size = 1e-3;      ///< where the pilot run's search begins (mala, pcnl), or automala's
  double target_acceptance = 0.6;
};

/// What the chains of an annealed run end with: weighted samples of the posterior.
struct Annealed : LogLikelihood {
  at::Tensor z;           ///< [B,N,latent...]
  at::Tensor weight;      ///< [B,N], rows sum to 1
  double acceptance = 0;  ///< mean over all moves
};

/// Annealed importance sampling (Neal 2001; Wu et al. 2017). Step sizes come from a pilot run, so that those of the run
/// that counts are fixed. E[value] <= log p(x).
Annealed annealed_log_likelihood(ModelImpl& model, const at::Tensor& x, const PathOptions& options, const Rng& rng);

/// log Z of a prior p0 exp(f)/Z that has no normaliser of its own, likewise ([1]); 0 for those that have one.
/// annealed_log_likelihood takes it off and adds its error.
LogLikelihood annealed_log_normaliser(ModelImpl& model, const PathOptions& options, const Rng& rng);

/// The reverse chains of bidirectional Monte Carlo (Grosse et al. 2015), from the z [B, latent...] that generated x:
/// simulated data only. E[value] >= log p(x).
LogLikelihood reverse_annealed_log_likelihood(ModelImpl& model, const at::Tensor& x, const at::Tensor& z,
                                              const PathOptions& options, const Rng& rng);

/// Tempered chains with exchanges, whose ladder is adapted before the run that counts.
struct SteppingStoneOptions {
  std::string kernel = "automala";
  int64_t levels = 10;
  int64_t chains = 100;  ///< of each datum; at least 2
  int64_t warmup = 300;  ///< exchanges before, in which the ladder adapts
  int64_t steps = 100;   ///< exchanges that count
  double power = 4;      ///< ladder that the adaptation starts from
  double step_size = 1e-2;
  std::string exchange = "deo";
};

struct SteppingStone {
  LogLikelihood ss;                    ///< stepping-stone sampling (Xie et al. 2011)
  at::Tensor left, right;              ///< [B] sums of thermodynamic integration: left <= log p(x) <= right
  at::Tensor left_error, right_error;  ///< [B] their standard errors
  at::Tensor temperature, swap_rate;   ///< [levels+1], [levels]
  double barrier = 0;                  ///< Λ
};
SteppingStone stepping_stone_log_likelihood(ModelImpl& model, const at::Tensor& x, const SteppingStoneOptions& options,
                                            const Rng& rng);

}  // namespace kaem::metrics
