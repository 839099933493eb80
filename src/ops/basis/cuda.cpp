#include <ATen/ATen.h>

#include "ops/basis/cuda.h"
#include "ops/basis/op.h"
#include "ops/cuda/launch.h"

namespace kaem::ops {
namespace {

using cuda::Launch, cuda::data, cuda::room;

Tensor basis_of_order(const Tensor& x_in, const Optional& cell_in, const Tensor& knots, const Tensor& tau, Spec spec,
                      int order) {
  const Launch launch(x_in, knots, tau, spec_of(spec));
  const Tensor x = x_in.contiguous(), cell = cell_in.has_value() ? cell_in->contiguous() : Tensor();
  const Tensor out = at::empty({x.size(0), x.size(1), launch.basis.features}, x.options());
  if (out.numel() > 0) cuda::basis(launch.basis, data(x), data(cell), x.size(0), order, room(out), launch.stream);
  C10_CUDA_KERNEL_LAUNCH_CHECK();
  return out;
}

Tensor basis_forward_cuda(const Tensor& x, const Optional& cell, const Tensor& knots, const Tensor& tau, Spec spec) {
  return basis_of_order(x, cell, knots, tau, spec, 0);
}

Tensor basis_derivative_cuda(const Tensor& x, const Tensor& knots, const Tensor& tau, Spec spec) {
  return basis_of_order(x, {}, knots, tau, spec, 1);
}

std::tuple<Tensor, Tensor> basis_backward_cuda(const Tensor& grad_in, const Tensor& x_in, const Optional& cell_in,
                                               const Tensor& knots, const Tensor& tau, Spec spec,
                                               std::array<bool, 2> wanted) {
  const Launch launch(x_in, knots, tau, spec_of(spec));
  const Tensor x = x_in.contiguous(), cell = cell_in.has_value() ? cell_in->contiguous() : Tensor();
  const Tensor grad = grad_in.contiguous(), grad_x = wanted[0] ? at::empty_like(x) : Tensor();
  const Tensor grad_tau = wanted[1] ? at::zeros_like(tau) : Tensor();
  if (x.numel() == 0) return {grad_x, grad_tau};
  const Tensor partial = launch.partial(x.numel());
  cuda::basis_backward(launch.basis, data(x), data(cell), data(grad), x.size(0), room(grad_x),
                       launch.has_tau() ? room(grad_tau) : nullptr, partial.mutable_data_ptr<double>(), launch.stream);
  C10_CUDA_KERNEL_LAUNCH_CHECK();
  return {grad_x, grad_tau};
}

}  // namespace

TORCH_LIBRARY_IMPL(kaem, CUDA, m) {
  raw::basis_forward.add(m, basis_forward_cuda);
  raw::basis_derivative.add(m, basis_derivative_cuda);
  raw::basis_backward.add(m, basis_backward_cuda);
}

}  // namespace kaem::ops
