#include <ATen/ATen.h>

#include "ops/cuda/launch.h"
#include "ops/edges/cuda.h"
#include "ops/edges/op.h"

namespace kaem::ops {
namespace {

using cuda::Launch, cuda::data, cuda::room;

Tensor edge_sum_forward_cuda(const Tensor& z_in, const Tensor& knots, const Tensor& tau, const Tensor& weights_in,
                             Spec spec) {
  const Launch launch(z_in, knots, tau, spec_of(spec), weights_in.size(0));
  const Tensor z = z_in.contiguous(), weights = weights_in.contiguous(), out = at::empty({z.size(0)}, z.options());
  if (z.size(0) > 0)
    cuda::edge_sum(launch.basis, data(z), data(weights), z.size(0), z.size(1), room(out), launch.stream);
  C10_CUDA_KERNEL_LAUNCH_CHECK();
  return out;
}

std::tuple<Tensor, Tensor, Tensor> edge_sum_backward_cuda(const Tensor& grad_in, const Tensor& z_in,
                                                          const Tensor& knots, const Tensor& tau,
                                                          const Tensor& weights_in, Spec spec,
                                                          std::array<bool, 3> wanted) {
  const Launch launch(z_in, knots, tau, spec_of(spec), weights_in.size(0));
  const Tensor z = z_in.contiguous(), weights = weights_in.contiguous(), grad = grad_in.contiguous();
  const int64_t samples = z.size(0), outputs = z.size(1);
  const Tensor grad_z = wanted[0] ? at::empty_like(z) : Tensor(), grad_tau = wanted[1] ? at::zeros_like(tau) : Tensor();
  const Tensor grad_weights = wanted[2] ? at::zeros_like(weights) : Tensor();
  if (z.numel() == 0) return {grad_z, grad_tau, grad_weights};
  const cuda::Basis& b = launch.basis;
  if (wanted[0])
    cuda::edge_values(b, data(z), data(weights), data(grad), samples, outputs, 1, room(grad_z), launch.stream);
  if (wanted[1] && launch.has_tau()) {
    const Tensor partial = launch.partial(z.numel());
    cuda::edge_tau_gradient(b, data(z), data(weights), data(grad), samples, outputs, room(grad_tau),
                            partial.mutable_data_ptr<double>(), launch.stream);
  }
  if (wanted[2])
    cuda::edge_weight_gradient(b, data(z), data(grad), samples, outputs, room(grad_weights), launch.stream);
  C10_CUDA_KERNEL_LAUNCH_CHECK();
  return {grad_z, grad_tau, grad_weights};
}

Tensor edge_values_cuda(const Tensor& z_in, const Tensor& knots, const Tensor& tau, const Tensor& weights_in, Spec spec,
                        int64_t order) {
  const Launch launch(z_in, knots, tau, spec_of(spec), weights_in.size(0));
  const Tensor z = z_in.contiguous(), weights = weights_in.contiguous(), out = at::empty_like(z);
  if (z.numel() > 0) {
    cuda::edge_values(launch.basis, data(z), data(weights), nullptr, z.size(0), z.size(1), static_cast<int>(order),
                      room(out), launch.stream);
  }
  C10_CUDA_KERNEL_LAUNCH_CHECK();
  return out;
}

}  // namespace

TORCH_LIBRARY_IMPL(kaem, CUDA, m) {
  raw::edge_sum_forward.add(m, edge_sum_forward_cuda);
  raw::edge_sum_backward.add(m, edge_sum_backward_cuda);
  raw::edge_values.add(m, edge_values_cuda);
}

}  // namespace kaem::ops
