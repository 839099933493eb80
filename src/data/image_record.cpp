#include <ATen/core/grad_mode.h>
#include <ATen/ops/_upsample_bilinear2d_aa.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/round.h>

#include <algorithm>

#include "data/image_store.h"
#include "kaem/core/error.h"
#include "kaem/core/str.h"
#include "kaem/io/decode.h"

namespace kaem {
namespace {

struct Part {
  int64_t top = 0, left = 0, height = 0, width = 0;
};

/// What of an image is kept.
Part part_of(const io::Pixels& image, const ImageRecipe& recipe, const std::string& name) {
  Part part{0, 0, image.height, image.width};
  const int64_t height = recipe.shape[1], width = recipe.shape[2];
  if (recipe.crop > 0) {
    if (std::min(image.height, image.width) < recipe.crop)
      throw DataError(str(name, ": an image of ", image.width, "x", image.height,
                          " pixels is smaller than the crop of ", recipe.crop, "x", recipe.crop));
    part.height = part.width = recipe.crop;
  } else {
    part.height = std::clamp<int64_t>(image.width * height / width, 1, image.height);
    part.width = std::clamp<int64_t>(image.height * width / height, 1, image.width);
  }
  part.top = (image.height - part.height) / 2, part.left = (image.width - part.width) / 2;
  return part;
}

}  // namespace

at::Tensor make_record(const std::string& file, const ImageRecipe& recipe, const std::string& name) {
  const at::NoGradGuard no_grad;
  io::Pixels image = io::decode_image(file, recipe.shape[0], name);
  const Part part = part_of(image, recipe, name);
  const at::Tensor bytes = at::from_blob(image.bytes.data(), {1, image.height, image.width, image.channels}, at::kByte)
                               .permute({0, 3, 1, 2})
                               .narrow(2, part.top, part.height)
                               .narrow(3, part.left, part.width);
  const std::vector<int64_t> size = {recipe.shape[1], recipe.shape[2]};
  if (part.height == size[0] && part.width == size[1]) return bytes.squeeze(0).contiguous().clone();
  return at::_upsample_bilinear2d_aa(bytes.to(at::kFloat).contiguous(), size, /*align_corners=*/false)
      .round()
      .clamp(0, 255)
      .to(at::kByte)
      .squeeze(0)
      .contiguous();
}

}  // namespace kaem
