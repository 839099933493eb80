#pragma once

#include <string>

#include "kaem/metrics/distance.h"

/// Statistics of a reference as .npz: `mu` [F] and `sigma` [F,F], as other programs of this kind write them, and of
/// ours `n`, the number of rows, and `kaem_features`, the bytes of Features::digest.
namespace kaem::metrics {

/// Those of `width` features. DataError if the file is no such file, its features are not those of the digest
/// `features` (where it says), values are not finite, or sigma is not a covariance matrix: symmetric and positive
/// semidefinite, to 1e-5 of its largest entry.
Moments read_moments(const std::string& path, const std::string& features, int64_t width);

void write_moments(const std::string& path, const Moments& moments, const std::string& features);

}  // namespace kaem::metrics
