#include <ATen/ATen.h>

#include <cmath>

#include "ops/cuda/launch.h"
#include "ops/move/cuda.h"
#include "ops/move/op.h"

namespace kaem::ops {
namespace {

using cuda::data, cuda::room;

Tensor langevin_move_cuda(const Tensor& z, const Tensor& prior, const Optional& likelihood, int64_t repeat,
                          const Tensor& noise, const Tensor& temperature, double step, double lower, double upper) {
  const c10::cuda::CUDAGuard guard(z.device());
  const Tensor out = at::empty_like(z);
  if (z.numel() == 0) return out;
  const cuda::Move move{data(z),
                        data(prior),
                        likelihood ? data(*likelihood) : nullptr,
                        data(noise),
                        data(temperature),
                        z.numel(),
                        z.numel() / z.size(0),
                        repeat,
                        temperature.numel(),
                        static_cast<float>(step),
                        static_cast<float>(std::sqrt(2 * step)),
                        static_cast<float>(lower),
                        static_cast<float>(upper)};
  cuda::langevin_move(move, room(out), cuda::current_stream());
  C10_CUDA_KERNEL_LAUNCH_CHECK();
  return out;
}

}  // namespace

TORCH_LIBRARY_IMPL(kaem, CUDA, m) { raw::langevin_move.add(m, langevin_move_cuda); }

}  // namespace kaem::ops
