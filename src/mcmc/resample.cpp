#include "kaem/mcmc/resample.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <array>

#include "kaem/core/table.h"

namespace kaem::mcmc {
namespace {

using at::Tensor;

/// Counts of how many of `points` [B,S] in (0,1) fall into each weight's share of [0,1]; `keep` [B,S] says which points
/// count.
Tensor counts_of_points(const Tensor& weights, const Tensor& points, const Tensor& keep) {
  const Tensor cumulative = weights.to(at::kDouble).cumsum(1);
  const Tensor shares = (cumulative / cumulative.slice(1, -1)).contiguous();
  // The right end of the last weight in use is 1 whatever the rounding.
  const Tensor index = at::searchsorted(shares, points.to(at::kDouble).contiguous(), false, /*right=*/true)
                           .clamp_max(weights.size(1) - 1);
  return at::zeros_like(weights).scatter_add(1, index, keep.to(weights.scalar_type()));
}

constexpr auto kResamplers = std::to_array<Named<Resampler>>({
    {"residual", residual_resample},
    {"systematic", systematic_resample},
    {"stratified", stratified_resample},
    {"none", nullptr},
});

}  // namespace

// Residual resampling (Liu and Chen 1998; Douc and Cappe 2005): floor(S w) copies for certain, the rest drawn from the
// remainders.
Tensor residual_resample(const Tensor& weights, const Tensor& uniforms) {
  const c10::AutoGradMode no_grad(false);
  const double s = static_cast<double>(weights.size(1));
  const Tensor expected = weights.to(at::kDouble) * s;
  const Tensor certain = expected.floor();
  const Tensor remainder = expected - certain;
  const Tensor left = s - certain.sum(1, true);
  // The first `left` uniforms of each row are multinomial draws from the remainders. Rows without a remainder keep
  // none.
  const Tensor keep = at::arange(weights.size(1), uniforms.options()).unsqueeze(0) < left.round();
  const Tensor safe = at::where(remainder.sum(1, true) > 0, remainder, at::ones_like(remainder));
  // The others need no search. (A GPU would have to be waited for.)
  const int64_t most = keep.is_cpu() && keep.numel() > 0 ? keep.sum(1).max().item<int64_t>() : keep.size(1);
  const Tensor drawn = counts_of_points(safe, uniforms.slice(1, 0, most), keep.slice(1, 0, most));
  return certain.to(weights.scalar_type()) + drawn.to(weights.scalar_type());
}

Tensor systematic_resample(const Tensor& weights, const Tensor& uniforms) {
  const c10::AutoGradMode no_grad(false);
  const double s = static_cast<double>(weights.size(1));
  const Tensor points = (at::arange(weights.size(1), at::dtype(at::kDouble).device(weights.device())).unsqueeze(0) +
                         uniforms.slice(1, 0, 1)) /
                        s;
  return counts_of_points(weights, points, at::ones_like(points));
}

Tensor stratified_resample(const Tensor& weights, const Tensor& uniforms) {
  const c10::AutoGradMode no_grad(false);
  const double s = static_cast<double>(weights.size(1));
  const Tensor points =
      (at::arange(weights.size(1), at::dtype(at::kDouble).device(weights.device())).unsqueeze(0) + uniforms) / s;
  return counts_of_points(weights, points, at::ones_like(points));
}

Resampler find_resampler(std::string_view name) { return find(kResamplers, "resampler", name); }

std::vector<std::string> resampler_names() { return names_of(kResamplers); }

Tensor effective_sample_size(const Tensor& weights) { return weights.square().sum(-1).reciprocal(); }

}  // namespace kaem::mcmc
