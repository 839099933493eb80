#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "kaem/core/table.h"
#include "kaem/model/model.h"
#include "kaem/ops/rows.h"
#include "objective/weighted.h"

namespace kaem {
namespace {

using at::Tensor;

/// Steps t_k - t_{k-1} of 0 < t_1 < ... < t_N: [T].
Tensor steps_of(const Tensor& temperature) {
  return at::cat({temperature.slice(0, 0, 1), temperature.slice(0, 1) - temperature.slice(0, 0, -1)});
}

Tensor log_mean_exp(const Tensor& values, int64_t dim) {
  return values.logsumexp(dim) - std::log(static_cast<double>(values.size(dim)));
}

/// ss = Σ_k log mean_s exp(Δt_k ℓ(z_{k-1})) (Xie et al. 2011), level 0 the exact draws: E[ss] <= log p(x).
Tensor stepping_stones(const Tensor& level_zero, const Tensor& levels, const Tensor& temperature) {
  const Tensor dt = steps_of(temperature);
  const Tensor first = log_mean_exp(dt[0] * level_zero, 1);
  const Tensor scaled = dt.slice(0, 1).reshape({-1, 1, 1}) * levels.slice(0, 0, -1);
  return first + log_mean_exp(scaled, 2).sum(0);
}

/// Σ_k Δt_k E_{t_{k-1}}[ℓ] and Σ_k Δt_k E_{t_k}[ℓ]: [B] each.
Tensor left_sum(const Tensor& level_zero, const Tensor& levels, const Tensor& temperature) {
  const Tensor dt = steps_of(temperature).unsqueeze(1);
  return at::mul(dt[0], level_zero.mean(1)) + (dt.slice(0, 1) * levels.slice(0, 0, -1).mean(2)).sum(0);
}
Tensor right_sum(const Tensor&, const Tensor& levels, const Tensor& temperature) {
  return (steps_of(temperature).unsqueeze(1) * levels.mean(2)).sum(0);
}
Tensor trapezoid(const Tensor& level_zero, const Tensor& levels, const Tensor& temperature) {
  return 0.5 * (left_sum(level_zero, levels, temperature) + right_sum(level_zero, levels, temperature));
}

using Estimator = Tensor (*)(const Tensor&, const Tensor&, const Tensor&);
constexpr auto kEstimators = std::to_array<Named<Estimator>>(
    {{"ss", stepping_stones}, {"ti_left", left_sum}, {"ti_right", right_sum}, {"ti_trapezoid", trapezoid}});

/// Weights of level 0 [B,S] and of the chains [T,B,N].
using Weights = std::pair<Tensor, Tensor>;

/// The chains at t = 1 alone.
Weights posterior_weights(const Tensor& level_zero, const Tensor& levels, const Tensor&) {
  Tensor own = at::zeros_like(levels);
  own.select(0, levels.size(0) - 1).fill_(1.0 / static_cast<double>(levels.size(2)));
  return {at::zeros_like(level_zero), own};
}

/// Derivative of the stepping-stone value through ℓ alone: Δt_k softmax_s(Δt_k ℓ(z_{k-1})).
Weights path_weights(const Tensor& level_zero, const Tensor& levels, const Tensor& temperature) {
  const Tensor dt = steps_of(temperature);
  const Tensor later = dt.slice(0, 1).reshape({-1, 1, 1});
  const Tensor own = later * (later * levels.slice(0, 0, -1)).softmax(2);
  return {dt[0] * (dt[0] * level_zero).softmax(1), at::cat({own, at::zeros_like(levels.slice(0, -1))})};
}

constexpr auto kGradients = std::to_array<Named<Weights (*)(const Tensor&, const Tensor&, const Tensor&)>>(
    {{"mbar", mbar_weights}, {"posterior", posterior_weights}, {"path", path_weights}});

/// The levels of T that carry weight, and the shared draws that do: the others would only cost time. Weights that are
/// no numbers carry on to the loss, which the trainer then reports.
constexpr double kLeastWeight = 1e-7;
SampleRows rows_with_weight(const Tempered& chains, const Weights& weights, at::ScalarType dtype) {
  SampleRows samples;
  const Tensor used = (weights.first.amax(0) <= kLeastWeight).logical_not();
  const Tensor shared = ops::rows_in_use(used, /*wait=*/true);  // MBAR's weights were waited for already
  samples.shared_rows = shared, samples.shared_drawn = chains.prior_z.size(0);
  if (!shared.defined() || shared.numel() > 0) {
    samples.shared_z = shared.defined() ? chains.prior_z.index_select(0, shared) : chains.prior_z;
    const Tensor weight = shared.defined() ? weights.first.index_select(1, shared) : weights.first;
    samples.shared_weight = weight.to(dtype);
  }
  const Tensor own = (weights.second.amax({1, 2}) <= kLeastWeight).logical_not().nonzero().squeeze(1);
  if (own.numel() > 0) {
    samples.own_z = chains.z.index_select(0, own);
    samples.own_levels = own;
    samples.own_weight = weights.second.index_select(0, own).to(dtype);
  }
  return samples;
}

struct Thermodynamic : Criterion<Tempered> {
  explicit Thermodynamic(const ObjectiveOptions& objective_options)
      : options(objective_options), gradient(find(kGradients, "thermo_gradient", options.thermo_gradient)) {
    find(kEstimators, "estimator", options.estimator);
  }

  Terms loss(const ModelView& view, const Tensor& x, const Tempered& chains, const Particles& all, int64_t step,
             const Rng& rng) override {
    const Tensor level_zero = chains.prior_log_likelihood.to(at::kDouble),
                 levels = chains.log_likelihood.to(at::kDouble), temperature = chains.temperature.to(at::kDouble);
    const auto dtype = chains.z.scalar_type();
    const SampleRows rows = rows_with_weight(chains, gradient(level_zero, levels, temperature), dtype);
    WeightedLogProb log_prob = weighted_log_likelihood(view, x, rows, step, rng);
    // The path rule says nothing of the prior: it takes the chains at t = 1.
    const bool path = options.thermo_gradient == "path";
    log_prob.prior = weighted_log_prior(
        view, path ? rows_with_weight(chains, posterior_weights(level_zero, levels, temperature), dtype) : rows, step,
        rng);
    Particles shown = all;
    // With a perceptual term the levels are not those of log p(x).
    if (!view.model.perceptual)
      shown.info.log_evidence = evidence_estimate(options.estimator, level_zero, levels, temperature);
    return make_terms(view, x, options, log_prob, shown);
  }

  /// MBAR is solved by the host.
  ops::Recordable recordable() const override { return ops::Recordable::kSampling; }

  ObjectiveOptions options;
  Weights (*gradient)(const Tensor&, const Tensor&, const Tensor&);
};

}  // namespace

Tensor evidence_estimate(const std::string& estimator, const Tensor& level_zero, const Tensor& levels,
                         const Tensor& temperature) {
  return find(kEstimators, "estimator", estimator)(level_zero, levels, temperature);
}

std::unique_ptr<Objective> make_thermodynamic(const ObjectiveOptions& options) {
  return std::make_unique<Thermodynamic>(options);
}

}  // namespace kaem
