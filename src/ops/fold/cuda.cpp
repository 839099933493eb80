#include <ATen/ATen.h>

#include "ops/cuda/launch.h"
#include "ops/fold/cuda.h"
#include "ops/fold/op.h"

namespace kaem::ops {
namespace {

using cuda::data, cuda::room;

cuda::Fold fold_of(const Tensor& coefficients, bool base) {
  return {coefficients.size(0), coefficients.size(1), coefficients.size(1) + (base ? 1 : 0), coefficients.size(2)};
}

Tensor fold_forward_cuda(const Optional& base_in, const Tensor& spline_in, const Tensor& coefficients_in) {
  const c10::cuda::CUDAGuard guard(coefficients_in.device());
  const Tensor base = base_in.has_value() ? base_in->contiguous() : Tensor(), spline = spline_in.contiguous(),
               coefficients = coefficients_in.contiguous();
  const cuda::Fold fold = fold_of(coefficients, base.defined());
  const Tensor out = at::empty({fold.inputs, fold.features, fold.outputs}, coefficients.options());
  if (out.numel() > 0) {
    cuda::fold(fold, data(base), data(spline), data(coefficients), room(out), cuda::current_stream());
  }
  C10_CUDA_KERNEL_LAUNCH_CHECK();
  return out;
}

void fold_backward_cuda(const Tensor& grad_in, const Tensor& spline_in, const Tensor& coefficients_in,
                        const Optional& base_out, const Optional& spline_out, const Optional& coefficients_out) {
  const c10::cuda::CUDAGuard guard(coefficients_in.device());
  const Tensor grad = grad_in.contiguous(), spline = spline_in.contiguous(),
               coefficients = coefficients_in.contiguous();
  const auto target = [](const Optional& out) {
    TORCH_CHECK(!out || out->is_contiguous(), "fold_backward: expected contiguous results");
    return out ? out->mutable_data_ptr<float>() : nullptr;
  };
  const cuda::Fold fold = fold_of(coefficients, grad.size(1) > coefficients.size(1));
  if (grad.numel() > 0) {
    cuda::fold_backward(fold, data(grad), data(spline), data(coefficients), target(base_out), target(spline_out),
                        target(coefficients_out), cuda::current_stream());
  }
  C10_CUDA_KERNEL_LAUNCH_CHECK();
}

}  // namespace

TORCH_LIBRARY_IMPL(kaem, CUDA, m) {
  raw::fold_forward.add(m, fold_forward_cuda);
  raw::fold_backward.add(m, fold_backward_cuda);
}

}  // namespace kaem::ops
