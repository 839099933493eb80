#pragma once

#include "kaem/core/rng.h"
#include "kaem/metrics/distance.h"

/// Whether two sets of draws have the same distribution. docs/mathematics.md section 7.
namespace kaem::metrics {

/// Kolmogorov-Smirnov distance of each column from the uniform distribution on (0,1): u [N,K] -> float64 [K].
at::Tensor uniform_distance(const at::Tensor& u);

/// Kullback-Leibler divergence of each column from the uniform distribution, in nats, by ⌈N^(1/3)⌉ equal cells, less
/// the bias (cells - 1)/(2N) that independent uniforms have: u [N,K] in (0,1) -> float64 [K]. May fall below 0 by
/// noise.
at::Tensor uniform_divergence(const at::Tensor& u);

/// A classifier two-sample test (Lopez-Paz and Oquab 2017): a network of one hidden layer learns to tell rows of a
/// [N,F] from rows of b [N,F] on one half of either; its accuracy on the other half, 0.5 in expectation if the
/// distributions are the same, and the standard error that counting has. ValueError for sets of unequal sizes or of
/// fewer than 8 rows.
Estimate two_sample_accuracy(const at::Tensor& a, const at::Tensor& b, const Rng& rng);

}  // namespace kaem::metrics
