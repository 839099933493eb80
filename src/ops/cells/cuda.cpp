#include <ATen/ATen.h>

#include "ops/cells/cuda.h"
#include "ops/cells/op.h"
#include "ops/cuda/launch.h"

namespace kaem::ops {
namespace {

using cuda::data, cuda::room;

std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor> cell_masses_cuda(const Tensor& log_density_in,
                                                                    const Tensor& widths_in, bool split_edges,
                                                                    bool with_gradient) {
  const c10::cuda::CUDAGuard guard(log_density_in.device());
  const Tensor log_density = log_density_in.contiguous(), widths = widths_in.contiguous();
  const int64_t components = log_density.size(0), nodes = log_density.size(1), cells = widths.size(1);
  const auto options = log_density.options();
  const Tensor log_normaliser = at::empty({components}, options), error = at::empty({components}, options);
  const Tensor cdf = at::empty({components, cells + 1}, options), slope = at::empty({components, cells}, options);
  const Tensor gradient = with_gradient ? at::empty({components, nodes}, options) : at::empty({0}, options);
  if (components > 0) {
    cuda::cell_masses(
        {data(log_density), data(widths), components, nodes, cells, components / widths.size(0), split_edges,
         room(log_normaliser), room(error), room(cdf), room(slope), with_gradient ? room(gradient) : nullptr},
        cuda::current_stream());
  }
  C10_CUDA_KERNEL_LAUNCH_CHECK();
  return {log_normaliser, error, cdf, slope, gradient};
}

}  // namespace

TORCH_LIBRARY_IMPL(kaem, CUDA, m) { raw::cell_masses.add(m, cell_masses_cuda); }

}  // namespace kaem::ops
