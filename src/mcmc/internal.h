#pragma once

#include "kaem/mcmc/kernel.h"

/// What the kernels share: evaluation of a target, and sums that are tempered.
namespace kaem::mcmc {

/// `f` of each defined tensor of a state; of the tensors of two states where both are defined.
template <class F>
State map(const State& x, F f) {
  const auto of = [&](const at::Tensor& a) { return a.defined() ? f(a) : at::Tensor(); };
  return {of(x.z),
          of(x.white),
          {of(x.prior.log_density), of(x.prior.gradient)},
          {of(x.likelihood.log_density), of(x.likelihood.gradient)}};
}
template <class F>
State zip(const State& x, const State& y, F f) {
  const auto of = [&](const at::Tensor& a, const at::Tensor& b) {
    return a.defined() && b.defined() ? f(a, b) : at::Tensor();
  };
  return {of(x.z, y.z),
          of(x.white, y.white),
          {of(x.prior.log_density, y.prior.log_density), of(x.prior.gradient, y.prior.gradient)},
          {of(x.likelihood.log_density, y.likelihood.log_density), of(x.likelihood.gradient, y.likelihood.gradient)}};
}

/// True of [T,B,N,latent...] whose last axis repeats one number in memory: a gradient of what sums over that axis.
bool is_spread(const at::Tensor& x);

/// The state whose chain (t,b,n) is (level[t,b,n], b, n) of join(first, second): level int64 [T,B,N].
State take_levels(const State& first, const State& second, const at::Tensor& level);

/// Values per chain [T,B,N], or per temperature [T], shaped to broadcast against x [T,B,N,...].
at::Tensor align(const at::Tensor& values, const at::Tensor& x);

/// Sums over all axes behind the chains, in double: [T,B,N,latent...] -> [T,B,N].
at::Tensor sum_over_latent(const at::Tensor& x);

/// State of z with everything but `white`.
State evaluate(const Target& target, const at::Tensor& z, Want want_of_prior);

/// ∇ log π_t, in the state's coordinates; undefined if neither prior nor likelihood has one.
at::Tensor tempered_gradient(const State& state, const at::Tensor& temperature);

/// log π_t(to) - log π_t(from) [T,B,N], in double.
at::Tensor tempered_change(const State& to, const State& from, const at::Tensor& temperature);

/// min(1, exp(log_ratio)); 0 where the ratio is not a number.
at::Tensor acceptance_probability(const at::Tensor& log_ratio);

/// Accepts `proposal` with the probability given, per chain.
State accept(const State& proposal, const State& state, const at::Tensor& probability, Draws& draws);

/// x times the preconditioner, if there is one.
at::Tensor scaled(const at::Tensor& x, const at::Tensor& preconditioner);

/// Throws UsageError unless both bounds are finite or none.
void check_bounds(double lower, double upper);

/// `value` for each chain of z.
at::Tensor per_chain(const at::Tensor& z, double value);

}  // namespace kaem::mcmc
