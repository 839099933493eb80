#pragma once

#include <ATen/core/Tensor.h>

/// How well chains mix. Vehtari et al. 2021, "Rank-normalization, folding, and localization: an improved R-hat".
namespace kaem::mcmc {

/// Split R-hat of chains [steps, chains, ...] -> [...]: each chain is cut in two; 1 means mixed.
at::Tensor split_rhat(const at::Tensor& chains);

/// Effective number of independent draws of the mean, of chains [steps, chains, ...] -> [...], by autocorrelations
/// (FFT) summed to Geyer's initial monotone sequence.
at::Tensor autocorrelation_ess(const at::Tensor& chains);

}  // namespace kaem::mcmc
