#include <ATen/ATen.h>

#include "kaem/ops/ops.h"

namespace kaem::ops::reference {

using at::Tensor;

Tensor fold_weights(const Tensor& base_weight, const Tensor& spline_weight, const Tensor& coefficients) {
  const Tensor folded = spline_weight.unsqueeze(1) * coefficients;
  return base_weight.defined() ? at::cat({folded, base_weight.unsqueeze(1)}, 1) : folded;
}

}  // namespace kaem::ops::reference
