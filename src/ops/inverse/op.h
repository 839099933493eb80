#pragma once

#include "ops/op.h"

namespace kaem::ops::raw {

/// `table`: the seven tensors of an InverseTable, in its order.
inline constexpr Op<"inverse_cdf(Tensor u, Tensor[] table) -> Tensor", Tensor(const Tensor& u, at::TensorList table)>
    inverse_cdf;
inline constexpr Op<"forward_cdf(Tensor z, Tensor[] table) -> Tensor", Tensor(const Tensor& z, at::TensorList table)>
    forward_cdf;

}  // namespace kaem::ops::raw
