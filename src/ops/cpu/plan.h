#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "kaem/ops/spec.h"
#include "ops/simd/table.h"

namespace kaem::ops::cpu {

/// A basis with the tables that the kernels read, made in float64 and rounded once. Keeps them alive.
class Plan {
 public:
  /// knots and tau as kaem/ops/ops.h has them, float32 on the CPU; `inputs` (0: as many as rows of knots).
  Plan(const at::Tensor& knots, const at::Tensor& tau, const BasisSpec& spec, int64_t inputs = 0);

  const simd::Basis& basis() const { return basis_; }

  /// What the kernels' sum for τ is to be multiplied by.
  double tau_factor() const { return tau_factor_; }

 private:
  void extend_knots(int64_t inputs);
  void scale_inputs(int64_t inputs, double tau);
  void scale_wavelets(int64_t rows);

  simd::Basis basis_{};
  double tau_factor_ = 0.0;
  at::Tensor knots_;
  std::vector<float> extended_, scale_, scale_low_;
  std::vector<double> unit_;
};

}  // namespace kaem::ops::cpu
