#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <string_view>
#include <vector>

namespace kaem::mcmc {

/// Resamplers turn weights w [B,S] (rows sum to 1) into counts [B,S] (rows sum to S) with expectation S·w.
/// `uniforms` [B,S] in (0,1) are the randomness: systematic uses the first of each row.
using Resampler = at::Tensor (*)(const at::Tensor& weights, const at::Tensor& uniforms);

at::Tensor residual_resample(const at::Tensor& weights, const at::Tensor& uniforms);
at::Tensor systematic_resample(const at::Tensor& weights, const at::Tensor& uniforms);
at::Tensor stratified_resample(const at::Tensor& weights, const at::Tensor& uniforms);

/// "residual", "systematic", "stratified"; "none" gives nullptr. Throws ConfigError for other names.
Resampler find_resampler(std::string_view name);
std::vector<std::string> resampler_names();

/// 1 / Σ_s w² of each row: weights [B,S] -> [B].
at::Tensor effective_sample_size(const at::Tensor& weights);

}  // namespace kaem::mcmc
