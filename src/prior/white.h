#pragma once

#include <ATen/core/Tensor.h>

namespace kaem {

/// Φ(y) within the open (0,1) of y's dtype, and Φ⁻¹(u) of u pushed inside by 2⁻²⁴.
at::Tensor uniform_of_normal(const at::Tensor& y);
at::Tensor normal_of_uniform(const at::Tensor& u);

/// log φ(y), elementwise.
at::Tensor log_standard_normal(const at::Tensor& y);

}  // namespace kaem
