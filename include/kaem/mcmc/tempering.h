#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <string_view>
#include <vector>

#include "kaem/mcmc/kernel.h"

/// Replica exchange between temperatures, for any kernel. docs/mathematics.md section 5.
namespace kaem::mcmc {

/// Which neighbours try to swap: `deo` alternates even and odd pairs (non-reversible; Syed et al. 2021), `random`
/// tosses a coin each time, `none` never swaps.
enum class Scheme { kDeo, kRandom, kNone };
Scheme parse_scheme(std::string_view name);

/// t_k = (k/n)^p for k = 0..n.
std::vector<double> power_ladder(int64_t n, double power);

/// Exponent of the ladder at a share s in [0,1] of the training:
/// p_start + (p_end - p_start)·½(1 - cos(2π(cycles + ½)s)).
double power_at(double start, double end, double cycles, double share);

/// What exchanges have done so far, per datum and chain. Levels are numbered 0..K-1, pair i joins i and i+1.
struct ExchangeLog {
  /// `before`: exchanges that these chains, or earlier ones on the same ladder, have had: DEO's pairs go on
  /// alternating.
  ExchangeLog(int64_t levels, int64_t data, int64_t chains, at::TensorOptions options, int64_t before = 0);

  at::Tensor rejection_sum;  ///< [K-1] Σ of 1 - acceptance probability, mean over data and chains, of each attempt
  at::Tensor attempts;       ///< [K-1] number of attempts
  at::Tensor replica;        ///< [K,B,N] int64: which replica sits at a level
  at::Tensor heading;      ///< [K,B,N] by replica: 1 last seen at level 0, -1 at level K-1 since, 0 not yet at level 0
  at::Tensor round_trips;  ///< [B,N] completed trips from level 0 to K-1 and back
  int64_t count = 0;       ///< exchanges so far, those before included: its parity decides DEO's pairs

  at::Tensor swap_rate() const;  ///< [K-1] mean acceptance of each pair (NaN where it was never tried)
  at::Tensor barrier() const;    ///< [] Λ = Σ_i mean rejection, over the pairs that were tried
};

/// One exchange among neighbouring levels of `state` [K,B,N,...], per chain and datum, with probability
/// min(1, exp((t_i - t_j)(ℓ_j - ℓ_i))). temperature [K].
State exchange(const State& state, const at::Tensor& temperature, Scheme scheme, Draws& draws, ExchangeLog& log);

/// One step of tempering: `kernel`, made for the temperatures of levels 1..K-1, moves these; level 0 becomes what
/// `refresh` draws (a state of one temperature, evaluated at the same coordinates); then neighbours exchange.
/// `info`, if given, is that of the kernel. After the `last` step gradients may be undefined.
State tempered_step(const State& state, const Kernel& kernel, const std::function<State(Draws&)>& refresh,
                    const at::Tensor& temperature, Scheme scheme, Draws& draws, ExchangeLog& log, Info* info = nullptr,
                    bool last = false);

/// A ladder of K levels with t at equal steps of the cumulative rejection (Syed et al. 2021, algorithm 3): monotone
/// interpolation; ends fixed. `rejection` [K-1] by pair.
std::vector<double> adapted_ladder(const std::vector<double>& temperature, const std::vector<double>& rejection);

/// Rounds of the adaptive schedule: round r lasts 2^r·100 exchanges. True when exchange number `count` (1-based) ends
/// one.
bool ends_round(int64_t count);

}  // namespace kaem::mcmc
