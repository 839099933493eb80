#include <ATen/ATen.h>

#include "ops/cuda/launch.h"
#include "ops/density/cuda.h"
#include "ops/density/op.h"

namespace kaem::ops {
namespace {

using cuda::Launch, cuda::data, cuda::room;

Tensor mixture_score_cuda(const Tensor& z_in, const Tensor& knots, const Tensor& tau, const Tensor& weights_in,
                          const Tensor& constant_in, Spec spec) {
  const Launch launch(z_in, knots, tau, spec_of(spec), weights_in.size(0));
  const Tensor z = z_in.contiguous(), weights = weights_in.contiguous(), constant = constant_in.contiguous();
  const Tensor out = at::empty_like(z);
  if (z.numel() > 0) {
    cuda::mixture_score(launch.basis, data(z), data(weights), data(constant), z.size(0), z.size(1), room(out),
                        launch.stream);
  }
  C10_CUDA_KERNEL_LAUNCH_CHECK();
  return out;
}

std::tuple<Tensor, Tensor> output_error_cuda(const Tensor& x_in, const Tensor& generated_in, double steepness,
                                             const Tensor& scale) {
  const c10::cuda::CUDAGuard guard(x_in.device());
  const Tensor x = x_in.contiguous(), generated = generated_in.contiguous();
  // A number of the host's goes along with the launch: nothing is copied, so nothing is waited for.
  const Tensor scales = scale.is_cpu() ? Tensor() : scale.to(x.options());
  const float factor = scale.is_cpu() ? scale.item<float>() : 1.0F;
  const int64_t repeat = generated.size(2), rows = generated.size(0) * generated.size(1) * repeat;
  const Tensor distance = at::empty({generated.size(0), generated.size(1), repeat}, x.options());
  const Tensor gradient = at::empty_like(generated);
  if (rows > 0) {
    cuda::output_error({rows, x.size(1), repeat, x.size(0), static_cast<float>(steepness), factor}, data(x),
                       data(generated), data(scales), room(distance), room(gradient), cuda::current_stream());
  }
  C10_CUDA_KERNEL_LAUNCH_CHECK();
  return {distance, gradient};
}

}  // namespace

TORCH_LIBRARY_IMPL(kaem, CUDA, m) {
  raw::mixture_score.add(m, mixture_score_cuda);
  raw::output_error.add(m, output_error_cuda);
}

}  // namespace kaem::ops
