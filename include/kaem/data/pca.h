#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <string>

#include "kaem/data/dataset.h"

namespace kaem {

/// Principal components of the training records: an affine map between records [C,H,W] and K coordinates. The
/// components are orthonormal, so that squared distances of coordinates are those of the projected records: a
/// likelihood's σ keeps its meaning.
struct Pca {
  std::array<int64_t, 3> shape{};  ///< channels, height, width of a record
  at::Tensor mean;                 ///< float32 [D]
  at::Tensor components;           ///< float32 [K,D], by descending variance; the largest entry of each is positive
  double explained = 0;            ///< share of the training records' variance that the components carry

  /// Records x [n, D or C,H,W] -> coordinates [n,K].
  at::Tensor project(const at::Tensor& x) const;
  /// Coordinates y [n, K or 1,1,K] -> records [n,C,H,W]; not confined to [0,1].
  at::Tensor reconstruct(const at::Tensor& y) const;
};

/// Fits `count` components to the training records, in float64: eigenvectors of the covariance where a record has at
/// most 4096 numbers, else subspace iteration (Halko, Martinsson and Tropp 2011, algorithm 4.4) that reads the records
/// 9 times. ConfigError if the records cannot give so many components, or if they are text.
Pca fit_pca(const Dataset& data, int64_t count, const DataProgress& progress = {});

/// The data in coordinates: float32 [N,1,1,K], with `pca` kept beside them.
Dataset project(const Dataset& data, std::shared_ptr<const Pca> pca);

/// A safetensors file with `mean`, `components`, `shape` and `explained`; its content, called `name` in the DataError
/// of a malformed one, back again.
void write_pca(const std::string& path, const Pca& pca);
Pca parse_pca(const std::string& image, const std::string& name);

}  // namespace kaem
