#pragma once

#include <ATen/core/Tensor.h>

#include "kaem/metrics/distance.h"

/// How well a score tells two sets apart, such as data of the kind trained on (low) and others (high).
/// docs/mathematics.md section 7.
namespace kaem::metrics {

/// Area under the receiver operating characteristic: the probability that a positive's score is above a negative's,
/// ties counting half. The error is that of DeLong et al. (1988); NaN with a single positive or negative. Scores [N]
/// and [M].
Estimate area_under_roc(const at::Tensor& positive, const at::Tensor& negative);

/// Average precision, Σ (R_i - R_{i-1}) P_i over the thresholds from the highest on. The error is that of `draws` sets
/// drawn again from positives and negatives each (bootstrap).
Estimate average_precision(const at::Tensor& positive, const at::Tensor& negative, const Rng& rng, int64_t draws = 200);

}  // namespace kaem::metrics
