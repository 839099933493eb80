#pragma once

#include <ATen/core/Tensor.h>

#include <string>

namespace kaem {

/// Gaussian log p(x|z) with a fixed standard deviation; densities are on the [0,1] scale of the data.
struct Likelihood {
  double sigma = 0.3;
  std::string output_activation = "sigmoid";

  /// Output activation; `tanh` is mapped to [0,1].
  at::Tensor activate(const at::Tensor& generated) const;

  /// Squared distances ‖x_b - x̂_s‖²: x [B,D], xhat [S,D] -> [B,S] by one matrix product; nothing of shape B×S×D.
  static at::Tensor squared_distances(const at::Tensor& x, const at::Tensor& xhat);

  /// -d²/(2σ²) - (D/2) log(2πσ²) of squared distances d², any shape.
  at::Tensor log_prob(const at::Tensor& squared_distance, int64_t data_size) const;
};

}  // namespace kaem
