#include <ATen/ops/_upsample_bilinear2d_aa.h>
#include <ATen/ops/empty.h>

#include <algorithm>

#include "data/loaders.h"

namespace kaem {

at::Tensor resize_images(const at::Tensor& images, const std::vector<int64_t>& size) {
  constexpr int64_t kChunk = 2048;  // as float32 the whole set would be four times its bytes
  const int64_t count = images.size(0);
  at::Tensor out = at::empty({count, images.size(1), size[0], size[1]}, at::kFloat);
  for (int64_t first = 0; first < count; first += kChunk) {
    const int64_t n = std::min(kChunk, count - first);
    at::Tensor chunk = images.narrow(0, first, n).to(at::kFloat);
    if (images.scalar_type() == at::kByte) chunk.div_(255);
    at::Tensor small = at::_upsample_bilinear2d_aa(chunk, size, /*align_corners=*/false);
    if (images.scalar_type() == at::kByte) small.clamp_(0, 1);  // rounding may leave it by a unit in the last place
    out.narrow(0, first, n).copy_(small);
  }
  return out;
}

}  // namespace kaem
