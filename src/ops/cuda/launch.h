#pragma once

// What the CUDA operators' host side shares. libkaem_cuda.so is opened at run time (load_cuda.cpp) and finds the
// operators in libkaem.so.

#include <ATen/core/Tensor.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGuard.h>

#include "kaem/ops/spec.h"
#include "ops/basis/cuda.h"

namespace kaem::ops::cuda {

/// The stream that LibTorch launches on now.
Stream current_stream();

/// Pointers into float32 tensors, null if undefined.
inline const float* data(const at::Tensor& t) { return t.defined() ? t.const_data_ptr<float>() : nullptr; }
inline float* room(const at::Tensor& t) { return t.defined() ? t.mutable_data_ptr<float>() : nullptr; }

/// The device and stream of a call, and the basis' scales on it.
class Launch {
 public:
  /// `inputs` (0: as many as rows of knots): of operators on edges.
  Launch(const at::Tensor& x, const at::Tensor& knots, const at::Tensor& tau, const BasisSpec& spec,
         int64_t inputs = 0);

  /// Room for the partial sums of a launch over `count` elements.
  at::Tensor partial(int64_t count) const;

  bool has_tau() const;

 private:
  c10::cuda::CUDAGuard guard_;

 public:
  Stream stream;
  Basis basis{};

 private:
  at::Tensor knots_, tau_, scales_;
};

}  // namespace kaem::ops::cuda
