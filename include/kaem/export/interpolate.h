#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <utility>
#include <vector>

#include "kaem/core/rng.h"

namespace kaem {
struct LoadedRun;
struct PriorView;
}  // namespace kaem

namespace kaem::exports {

/// Ways from one latent to another, in the order of `all`: linear, slerp, cdf.
std::vector<std::string> path_names();

/// What `all` means for a run: those of the names that its prior allows.
std::vector<std::string> paths_of(const LoadedRun& run);

/// Rows of `count` latents each between draws of a run's prior: for every pair of numbers of draws one for each path;
/// [rows·count, latent...]. UsageError as `latents_between`.
at::Tensor latents_between_draws(const LoadedRun& run, const Rng& rng,
                                 const std::vector<std::pair<int64_t, int64_t>>& pairs,
                                 const std::vector<std::string>& paths, int64_t count);

/// `count` latents on the way from z_a to z_b [1, latent...], ends included: [count, latent...]. docs/mathematics.md
/// section 7, "Walks through the latents". UsageError for `cdf` of a prior without distribution functions, or an
/// unknown name.
at::Tensor latents_between(const std::string& path, const PriorView& prior, std::pair<double, double> domain,
                           const at::Tensor& z_a, const at::Tensor& z_b, int64_t count);

}  // namespace kaem::exports
