#include "kaem/ops/rows.h"

#include <ATen/ops/empty.h>

namespace kaem::ops {

using at::Tensor;

Tensor rows_in_use(const Tensor& used, bool wait) {
  constexpr int64_t kShapes = 32;
  if (!used.is_cpu() && !wait) return {};
  const Tensor flags = used.cpu().contiguous();
  const int64_t rows = flags.numel(), count = flags.sum().item<int64_t>(),
                taken = (count + kShapes - 1) / kShapes * kShapes;
  if (4 * taken > 3 * rows) return {};
  Tensor index = at::empty({taken}, at::kLong);
  const bool* in_use = flags.const_data_ptr<bool>();
  int64_t* to = index.mutable_data_ptr<int64_t>();
  const int64_t* const end = to + taken;
  for (int64_t i = 0, others = taken - count; to != end; ++i) {
    if (!in_use[i] && others == 0) continue;
    others -= static_cast<int64_t>(!in_use[i]);
    *to++ = i;
  }
  return index.to(used.device());
}

}  // namespace kaem::ops
