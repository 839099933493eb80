#include "kaem/io/image.h"

#include <ATen/ops/full.h>
#include <ATen/ops/nan_to_num.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "kaem/core/error.h"
#include "kaem/core/str.h"
#include "kaem/io/file.h"

#define STB_IMAGE_WRITE_IMPLEMENTATION
#define STB_IMAGE_WRITE_STATIC  // no symbols of stb in the library's interface
#define STBI_WRITE_NO_STDIO
#include <stb/stb_image_write.h>

namespace kaem::io {
namespace {

constexpr int64_t kTargetWidth = 600;  // pixels of a picture whose zoom is chosen here
constexpr int64_t kMaxZoom = 32;
constexpr int kBackground = 128;  // apart from black and from white images

struct Layout {
  int64_t columns, rows, zoom, padding, height, width;  // of an image after the zoom

  int64_t picture_height() const { return rows * (height + padding) + padding; }
  int64_t picture_width() const { return columns * (width + padding) + padding; }
};

Layout plan(const at::Tensor& images, int64_t columns, int64_t padding, int64_t zoom) {
  const int64_t count = images.size(0), height = images.size(2), width = images.size(3);
  if (columns <= 0)  // a square picture, whatever the images' shape
    columns =
        std::llround(std::ceil(std::sqrt(static_cast<double>(count * height) / static_cast<double>(width)) - 1e-9));
  columns = std::clamp<int64_t>(columns, 1, count);
  if (zoom <= 0)
    zoom = std::clamp<int64_t>(std::llround(static_cast<double>(kTargetWidth) / (columns * width)), 1, kMaxZoom);
  return {columns, (count + columns - 1) / columns, zoom, padding, height * zoom, width * zoom};
}

/// Bytes [N,C,H,W] of values in [0,1], not a number as 0, enlarged by repetition so that pixels stay sharp.
at::Tensor to_bytes(const at::Tensor& images, int64_t zoom) {
  const at::Tensor bytes = at::nan_to_num(images.detach().to(at::kCPU, at::kFloat), 0.0, 1.0, 0.0)
                               .clamp(0, 1)
                               .mul(255)
                               .round()
                               .to(at::kByte);
  return zoom == 1 ? bytes : bytes.repeat_interleave(zoom, 2).repeat_interleave(zoom, 3);
}

void append(void* context, void* data, int size) {
  static_cast<std::string*>(context)->append(static_cast<const char*>(data), static_cast<size_t>(size));
}

}  // namespace

std::string png_grid(const at::Tensor& images, int64_t columns, int64_t padding, int64_t zoom) {
  TORCH_CHECK_VALUE(images.dim() == 4 && images.numel() > 0 && (images.size(1) == 1 || images.size(1) == 3),
                    "png_grid: expected images [N,C,H,W] with C 1 or 3, got ", images.sizes());
  TORCH_CHECK_VALUE(padding >= 0, "png_grid: expected padding >= 0, got ", padding);
  const int64_t channels = images.size(1);
  const Layout grid = plan(images, columns, padding, zoom);
  if (grid.picture_height() * grid.picture_width() > std::numeric_limits<int>::max() / 4)
    throw Error(str("a picture of ", grid.picture_width(), "x", grid.picture_height(), " pixels is too large"));

  const at::Tensor bytes = to_bytes(images, grid.zoom);
  at::Tensor picture = at::full({channels, grid.picture_height(), grid.picture_width()}, kBackground, at::kByte);
  for (int64_t i = 0; i < images.size(0); ++i) {
    const int64_t top = padding + i / grid.columns * (grid.height + padding);
    const int64_t left = padding + i % grid.columns * (grid.width + padding);
    picture.narrow(1, top, grid.height).narrow(2, left, grid.width).copy_(bytes[i]);
  }
  picture = picture.permute({1, 2, 0}).contiguous();  // stb wants the channels last

  const int width = static_cast<int>(grid.picture_width()), height = static_cast<int>(grid.picture_height());
  std::string png;
  if (stbi_write_png_to_func(append, &png, width, height, static_cast<int>(channels), picture.const_data_ptr(),
                             width * static_cast<int>(channels)) == 0)
    throw Error("the picture could not be encoded");
  return png;
}

void write_png_grid(const std::string& path, const at::Tensor& images, int64_t columns, int64_t padding, int64_t zoom) {
  std::string png;
  try {
    png = png_grid(images, columns, padding, zoom);
  } catch (const Error& e) {
    throw Error(str("cannot write ", path, ": ", e.what()));
  }
  write_file_atomic(path, png);
}

}  // namespace kaem::io
