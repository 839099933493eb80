#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "kaem/core/rng.h"

/// Markov chain kernels. They know tensors and a target, nothing of KAEM.
///
/// Letters: T temperatures, B data, N chains of a datum; what follows these three axes is one latent. All chains of all
/// data and temperatures move at once. docs/mathematics.md section 4.
namespace kaem::mcmc {

/// z [T,B,N,latent...] -> [T·B·N, latent...], and values [T·B·N, rest...] back to [T,B,N, rest...]: the only two places
/// where the chain axes are flattened.
at::Tensor flatten_chains(const at::Tensor& z);
at::Tensor unflatten_chains(const at::Tensor& values, at::IntArrayRef chains);

/// A log-density and its gradient.
struct Value {
  at::Tensor log_density = {};  ///< [T,B,N]; undefined if only the gradient was asked for
  at::Tensor gradient = {};     ///< [T,B,N,latent...]
};

/// What a kernel needs to know of a log-density: kernels without an acceptance step need no value, chains that have
/// made their last move no gradient.
enum class Want { kGradient, kBoth, kValue };

/// z [T,B,N,latent...] -> value; each chain's depends on its own z (and its own datum) alone.
using LogDensity = std::function<Value(const at::Tensor& z, Want want)>;

/// A log-density whose gradient autograd takes: `log_density` maps rows z [n,latent...] to [n]. Kernels call theirs
/// with gradients disabled; this one enables them for `log_density` alone.
LogDensity by_autograd(std::function<at::Tensor(const at::Tensor& z)> log_density);

/// Coordinates y in which the prior is N(0,I) (times exp of `residual`): z = z(y) coordinate by coordinate.
struct Whitening {
  /// y -> z and dz/dy, all [T,B,N,latent...].
  std::function<std::pair<at::Tensor, at::Tensor>(const at::Tensor& y)> to_latent;
  /// z -> y.
  std::function<at::Tensor(const at::Tensor& z)> to_white;
  /// log p(z) - log N(y; 0, I) up to a constant as a function of z (gradient with respect to z); empty: none is left.
  LogDensity residual = {};
};

/// log π_t(z) = log p(z) + t ℓ(z) on a box (or everywhere).
struct Target {
  LogDensity prior;
  LogDensity likelihood = {};  ///< ℓ; empty: the prior alone. Its value is always asked for (exchanges need it).
  at::Tensor temperature;      ///< t [T]
  double lower = -std::numeric_limits<double>::infinity();
  double upper = std::numeric_limits<double>::infinity();
  Whitening whitening = {};  ///< pCNL only
};

/// All that the next step needs, cached so that nothing is computed twice.
struct State {
  at::Tensor z;           ///< [T,B,N,latent...]
  at::Tensor white = {};  ///< y of z where the kernel moves in white coordinates (pCNL; gradients are then with respect
                          ///< to y), else undefined
  Value prior = {};       ///< of the prior (pCNL: of the whitening's residual, undefined without one)
  Value likelihood = {};  ///< of ℓ, untempered; undefined tensors without a likelihood
};

/// Diagnostics of one step, never read back.
struct Info {
  at::Tensor acceptance;  ///< [T,B,N] probability that the move was accepted; 1 for unadjusted kernels
  at::Tensor step_size;   ///< [T,B,N] η (pcnl: δ) that was used
};

/// Random numbers of one run of chains, in the order in which they are asked for. A test may hand in its own.
struct Draws {
  std::function<at::Tensor(at::IntArrayRef shape, at::TensorOptions options)> normal;
  std::function<at::Tensor(at::IntArrayRef shape, at::TensorOptions options)> uniform;  ///< in the open (0,1)
};

/// Numbers of (stream, step), each call the next ones. `rng` is copied.
Draws make_draws(const Rng& rng, Stream stream, int64_t step);

struct KernelOptions {
  std::string name = "ula";     ///< of a row of kaem/mcmc/kernels.h
  double step_size = 1e-3;      ///< η of ula and mala; where automala's search starts
  double delta = 1e-2;          ///< δ of pcnl
  double step_size_min = 1e-7;  ///< automala's η stays within these
  double step_size_max = 1.0;
  double change_rate = 2.0;   ///< automala multiplies or divides η by it
  int64_t most_changes = 20;  ///< ... at most so many times a step
  /// Scale of each coordinate, broadcastable to z, fixed; undefined: 1 everywhere. Refused by pcnl.
  at::Tensor preconditioner = {};
};

/// A transition: `init` evaluates the target, `step` moves every chain once.
struct Kernel {
  std::function<State(const at::Tensor& z)> init;
  std::function<std::pair<State, Info>(const State& state, Draws& draws)> step;
  /// As `step`, but of the new state only z and the likelihood's value are there; empty: the kernel needs more for its
  /// step itself.
  std::function<std::pair<State, Info>(const State& state, Draws& draws)> last_step = {};

  /// A step; of the `last` one, gradients that no step will use may be left out.
  std::pair<State, Info> move(const State& state, Draws& draws, bool last) const {
    return last && last_step ? last_step(state, draws) : step(state, draws);
  }
};

/// Throws ConfigError for an unknown name, UsageError if the target lacks what the kernel needs (pcnl: a whitening).
Kernel make_kernel(const Target& target, const KernelOptions& options);

/// Unadjusted Langevin: z <- fold(z + η s² ∇ log π_t + √(2η) s ξ).
Kernel ula(const Target& target, const KernelOptions& options);
/// Metropolis-adjusted Langevin as one leapfrog step with ε = √(2η), reflected at the bounds.
Kernel mala(const Target& target, const KernelOptions& options);
/// MALA with a step size chosen for each chain and move (Biron-Lattes et al. 2023, autoMALA).
Kernel automala(const Target& target, const KernelOptions& options);
/// Preconditioned Crank-Nicolson Langevin (arXiv 2408.14325) in white coordinates.
Kernel pcnl(const Target& target, const KernelOptions& options);

/// Folds z into [lower, upper] by reflection at the ends; `flips` is -1 where the number of reflections is odd, else 1.
struct Folded {
  at::Tensor z, flips;
};
Folded fold(const at::Tensor& z, double lower, double upper);

/// Chooses row-wise between states: `take` [T,B,N] bool -> from `yes`, else from `no`.
State select(const at::Tensor& take, const State& yes, const State& no);
/// Temperatures [from, to) of a state, and states joined along T.
State slice(const State& state, int64_t from, int64_t to);
State join(const State& first, const State& second);
/// Copies into the memory of a state of the same shapes.
void copy_into(const State& to, const State& from);

}  // namespace kaem::mcmc
