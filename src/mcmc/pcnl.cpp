#include <ATen/TensorOperators.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/GradMode.h>

#include <cmath>

#include "kaem/core/error.h"
#include "kaem/mcmc/kernel.h"
#include "mcmc/internal.h"

namespace kaem::mcmc {
namespace {

using at::Tensor;

/// State of y: values of what is left beside N(y; 0, I), gradients with respect to y.
State evaluate_white(const Target& target, const Tensor& y) {
  const auto [z, slope] = target.whitening.to_latent(y);
  const auto with_slope = [&z = z, &slope = slope](const LogDensity& density) -> Value {
    if (!density) return {};
    const Value value = density(z, Want::kBoth);
    return {value.log_density, value.gradient * slope};
  };
  return {z, y, with_slope(target.whitening.residual), with_slope(target.likelihood)};
}

/// ∇U, U = -(residual + t ℓ).
Tensor potential_gradient(const State& state, const Tensor& temperature) {
  const Tensor gradient = tempered_gradient(state, temperature);
  return gradient.defined() ? -gradient : at::zeros_like(state.white);
}

}  // namespace

// v = ((2-δ)y - 2δ∇U + √(8δ)ξ)/(2+δ), accepted with min(1, exp(ρ(y,v) - ρ(v,y))),
// ρ(u,v) = U(u) + ½⟨v-u,∇U(u)⟩ + δ/4⟨u+v,∇U(u)⟩ + δ/4‖∇U(u)‖² (Cotter et al. 2013).
Kernel pcnl(const Target& target, const KernelOptions& options) {
  if (!target.whitening.to_latent || !target.whitening.to_white)
    throw UsageError("pcnl needs coordinates in which the prior is Gaussian, and this prior has none");
  if (options.preconditioner.defined()) throw UsageError("pcnl takes no preconditioner: its coordinates are white");
  const auto init = [target](const Tensor& z) {
    const c10::AutoGradMode no_grad(false);
    return evaluate_white(target, target.whitening.to_white(z.detach()));
  };
  const auto step = [target, delta = options.delta](const State& state, Draws& draws) {
    const c10::AutoGradMode no_grad(false);
    const Tensor y = state.white, noise = draws.normal(y.sizes(), y.options());
    const Tensor from = potential_gradient(state, target.temperature);
    const Tensor v = ((2 - delta) * y - 2 * delta * from + std::sqrt(8 * delta) * noise) / (2 + delta);
    const State proposal = evaluate_white(target, v);
    const Tensor to = potential_gradient(proposal, target.temperature);
    // ρ(y,v) - ρ(v,y) without the potentials.
    const Tensor slopes = sum_over_latent(0.5 * (v - y) * (from + to) + 0.25 * delta * (y + v) * (from - to) +
                                          0.25 * delta * (from.square() - to.square()));
    const Tensor probability = acceptance_probability(tempered_change(proposal, state, target.temperature) + slopes);
    return std::pair(accept(proposal, state, probability, draws), Info{probability, per_chain(y, delta)});
  };
  return {init, step};
}

}  // namespace kaem::mcmc
