#pragma once

#include <ATen/core/Tensor.h>

namespace kaem::network {

/// Transposed convolution of images that lie channels last: x [n,in,h,w], weight [in,out,k,k] of x's type, bias [out]
/// -> [n,out,(h-1)·stride - 2·padding + k, ...] of x's type or, where there are few channels, float32 one channel after
/// the other. Differentiable once.
at::Tensor transposed_convolution(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, int64_t stride,
                                  int64_t padding);

/// Its vector-Jacobian product with respect to x: grad like the result -> like x.
at::Tensor transposed_convolution_pullback(const at::Tensor& grad, const at::Tensor& weight, int64_t stride,
                                           int64_t padding);

}  // namespace kaem::network
