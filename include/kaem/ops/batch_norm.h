#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>

namespace kaem::ops {

/// How a batch's rows are spread over the processes that train one model; as it stands: all are here.
struct BatchShare {
  std::function<void(const at::Tensor&)> sum;  ///< over the processes, in place, on all at the same point of their work
  int64_t processes = 1;
  int64_t alike = 0;  ///< the first rows, of which every process has the same: they count once
};

/// What batch norm normalises by and learns, each [C].
struct BatchNorm {
  at::Tensor weight, bias, running_mean, running_variance;
};

constexpr double kBatchNormEpsilon = 1e-5;  ///< added to the variance

/// Batch norm (Ioffe and Szegedy 2015), x [n,C,H,W] -> the same, with PyTorch's ε and momentum. In training by the
/// statistics of all processes' rows, which move the running ones; a collective call then, of its backward pass too.
/// Gradients of weight and bias are those of the rows here. Else by the running statistics. Differentiable once.
at::Tensor batch_norm(const at::Tensor& x, const BatchNorm& norm, bool training, const BatchShare& share);

}  // namespace kaem::ops
