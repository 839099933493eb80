#include <ATen/ATen.h>

#include "ops/cuda/launch.h"
#include "ops/cuda/steps_later.h"
#include "ops/random/cuda.h"
#include "ops/random/op.h"

namespace kaem::ops {
namespace {

using cuda::room;

void fill_random_cuda(const Tensor& out, const Optional& counter, int64_t seed, int64_t stream, int64_t step,
                      int64_t first, bool normal) {
  TORCH_CHECK(out.is_contiguous(), "fill_random: expected a contiguous float32 tensor");
  const c10::cuda::CUDAGuard guard(out.device());
  if (out.numel() > 0)
    cuda::fill_random({static_cast<uint64_t>(seed), static_cast<uint32_t>(stream), step, cuda::StepsLater::now()},
                      first, out.numel(), normal, counter ? counter->const_data_ptr<int64_t>() : nullptr, room(out),
                      cuda::current_stream());
  C10_CUDA_KERNEL_LAUNCH_CHECK();
}

}  // namespace

TORCH_LIBRARY_IMPL(kaem, CUDA, m) { raw::fill_random.add(m, fill_random_cuda); }

}  // namespace kaem::ops
