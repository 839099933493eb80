#pragma once

#include <ATen/core/Tensor.h>

#include "kaem/core/rng.h"

/// Distances between two sets of samples by features of theirs, float32 or float64 [N,F]. docs/mathematics.md
/// section 7.
namespace kaem::metrics {

/// A number with its standard error; NaN: it has none.
struct Estimate {
  double value = 0;
  double error = 0;
};

/// Mean and covariance (over N - 1) of rows that come in batches; float64, whatever the rows are.
class Moments {
 public:
  Moments() = default;

  /// Those of known mean [F], covariance [F,F] and number of rows (0: not known).
  Moments(at::Tensor mean, const at::Tensor& covariance, int64_t count);

  /// rows [n,F]; ValueError if F is not that of the rows before.
  void add(const at::Tensor& rows);

  int64_t count() const { return count_; }
  const at::Tensor& mean() const { return mean_; }
  at::Tensor covariance() const;

 private:
  int64_t count_ = 0;
  at::Tensor mean_;     ///< [F]
  at::Tensor scatter_;  ///< [F,F] Σ (x - mean)(x - mean)ᵀ, or the covariance itself where the count is not known
};

/// Fréchet distance of the Gaussians of these moments, ‖μa - μb‖² + tr(Σa + Σb - 2 (Σa^½ Σb Σa^½)^½) (Heusel et al.
/// 2017); 0 to rounding for equal moments. ValueError if the widths differ.
double frechet_distance(const Moments& a, const Moments& b);

/// The distance of N samples, which is too large by about a multiple of 1/N, and its limit for N → ∞.
struct Frechet {
  Estimate of_samples, limit;
};

/// Rows [N,F], at least 2·parts, against a reference. The limit is that of the line in 1/N through the distance of all
/// rows and the mean distance of `parts` disjoint parts of them (after Chong and Forsyth 2020, whose overlapping parts
/// give an error that is too small: docs/mathematics.md section 7). The error of both is the spread of the parts'
/// distances, over √parts; where the sets hardly differ it is too large rather than too small.
Frechet frechet_distance(const at::Tensor& rows, const Moments& reference, const Rng& rng, int64_t parts = 8);

/// Squared maximum mean discrepancy under the kernel (xᵀy/F + 1)³ (Binkowski et al. 2018), unbiased, over all pairs;
/// the error is that of the U-statistic's first-order part. a [N,F], b [M,F]; at least two rows each.
Estimate kernel_distance(const at::Tensor& a, const at::Tensor& b);

/// Precision: the share of generated rows within the reach of a real row, which is the distance to its k-th neighbour
/// among the real; recall: the other way round (Kynkäänniemi et al. 2019). The errors are of the choice of the rows
/// that are counted.
struct PrecisionRecall {
  Estimate precision, recall;
};
PrecisionRecall precision_recall(const at::Tensor& real, const at::Tensor& generated, int64_t k = 3);

/// For each row of a [N,F] the numbers of the k nearest rows of b, nearest first: int64 [N,k], and their distances
/// [N,k].
std::pair<at::Tensor, at::Tensor> nearest_rows(const at::Tensor& a, const at::Tensor& b, int64_t k);

}  // namespace kaem::metrics
