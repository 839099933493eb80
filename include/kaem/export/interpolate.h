#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <utility>
#include <vector>

#include "kaem/prior/prior.h"

namespace kaem::exports {

/// Ways from one latent to another, in the order of `all`: linear, slerp, cdf.
std::vector<std::string> path_names();

/// `count` latents on the way from z_a to z_b [1, latent...], ends included: [count, latent...]. docs/mathematics.md
/// section 7, "Walks through the latents". UsageError for `cdf` of a prior without distribution functions, or an
/// unknown name.
at::Tensor latents_between(const std::string& path, const PriorView& prior, std::pair<double, double> domain,
                           const at::Tensor& z_a, const at::Tensor& z_b, int64_t count);

}  // namespace kaem::exports
