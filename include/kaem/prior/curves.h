#pragma once

#include <ATen/core/Tensor.h>

#include <optional>

namespace kaem {

struct Prior;

/// Density of the prior at points, per component: all [K,Q,P] but z [K].
struct PriorCurves {
  at::Tensor z, energy, log_reference, density, cdf;
};

/// Curves of the univariate components at `points` evenly spaced z, from one end of the domain to the other; empty for
/// a prior without distribution functions of single coordinates.
std::optional<PriorCurves> curves_of(Prior& prior, int64_t points);

}  // namespace kaem
