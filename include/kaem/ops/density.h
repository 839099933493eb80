#pragma once

#include <ATen/core/Tensor.h>

#include <utility>

#include "kaem/ops/ops.h"

/// What chains ask of densities at every step, each in one pass on the CPU. None is differentiable.
namespace kaem::ops {

/// Score of mixtures of univariate energies: z [S,Q], knots (as operators on edges take them), tau [], weights [P,F,Q],
/// constant [Q,P] what log-densities of components have beside their energy -> Σ_p softmax_p(f_qp(z_sq) + constant_qp)
/// f'_qp(z_sq) [S,Q]. docs/mathematics.md section 2.
at::Tensor mixture_score(const at::Tensor& z, const at::Tensor& knots, const at::Tensor& tau, const at::Tensor& weights,
                         const at::Tensor& constant, const BasisSpec& spec);

/// How far what was generated is from the data: x [B,D], generated g [T,B,N,D] -> ‖x - x̂‖² [T,B,N] and
/// scale (x - x̂) ∂x̂/∂g [T,B,N,D], where x̂ = sigmoid(steepness g), or g itself with steepness 0; scale [] on any
/// device. ValueError for shapes that do not fit.
std::pair<at::Tensor, at::Tensor> output_error(const at::Tensor& x, const at::Tensor& generated, double steepness,
                                               const at::Tensor& scale);

/// x̂ of output_error; differentiable.
at::Tensor output_of(const at::Tensor& generated, double steepness);

namespace reference {
at::Tensor mixture_score(const at::Tensor& z, const at::Tensor& knots, const at::Tensor& tau, const at::Tensor& weights,
                         const at::Tensor& constant, const BasisSpec& spec);
std::pair<at::Tensor, at::Tensor> output_error(const at::Tensor& x, const at::Tensor& generated, double steepness,
                                               const at::Tensor& scale);
}  // namespace reference

}  // namespace kaem::ops
