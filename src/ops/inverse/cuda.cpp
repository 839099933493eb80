#include <ATen/ATen.h>

#include "ops/cuda/launch.h"
#include "ops/inverse/cuda.h"
#include "ops/inverse/op.h"

namespace kaem::ops {
namespace {

using cuda::data, cuda::room;

using TableLaunch = void (*)(const cuda::Table&, const float*, int64_t, int64_t, float*, cuda::Stream);

Tensor through_table(TableLaunch launch, const Tensor& x_in, at::TensorList table) {
  const c10::cuda::CUDAGuard guard(x_in.device());
  std::vector<Tensor> t;
  for (const Tensor& part : table) t.push_back(part.contiguous());
  const Tensor x = x_in.contiguous(), out = at::empty_like(x);
  const auto whole = [&](size_t i) { return t[i].const_data_ptr<int64_t>(); };
  const cuda::Table pointers{whole(0), whole(1), whole(2), whole(3), data(t[4]), data(t[5]), data(t[6])};
  if (x.numel() > 0) launch(pointers, data(x), x.size(0), x.size(1), room(out), cuda::current_stream());
  C10_CUDA_KERNEL_LAUNCH_CHECK();
  return out;
}

Tensor inverse_cdf_cuda(const Tensor& u, at::TensorList table) { return through_table(cuda::inverse_cdf, u, table); }

Tensor forward_cdf_cuda(const Tensor& z, at::TensorList table) { return through_table(cuda::forward_cdf, z, table); }

}  // namespace

TORCH_LIBRARY_IMPL(kaem, CUDA, m) {
  raw::inverse_cdf.add(m, inverse_cdf_cuda);
  raw::forward_cdf.add(m, forward_cdf_cuda);
}

}  // namespace kaem::ops
