#pragma once

#include <ATen/core/Tensor.h>

/// Layer norm (Ba et al. 2016) before a KAN layer, with its vector-Jacobian product for chains, which build no graph.
namespace kaem {

/// h [S,I] -> (h - mean)/√(variance + 1e-5) · scale + shift over the inputs; scale and shift [I]. Differentiable.
at::Tensor layer_norm(const at::Tensor& h, const at::Tensor& scale, const at::Tensor& shift);

/// grad [S,I] with respect to layer_norm(h) -> with respect to h [S,I].
at::Tensor layer_norm_pullback(const at::Tensor& h, const at::Tensor& scale, const at::Tensor& grad);

}  // namespace kaem
