#pragma once

#include <ATen/core/Tensor.h>

#include <string>

namespace kaem::io {

/// Images [N,C,H,W] (C 1 or 3, values in [0,1], clamped) as a PNG grid of `columns` (0: near square) with a `padding`
/// of pixels between; each image is enlarged `zoom` times (0: chosen so that the picture is readable).
std::string png_grid(const at::Tensor& images, int64_t columns = 0, int64_t padding = 2, int64_t zoom = 0);

/// The same as a file; Error if it cannot be written.
void write_png_grid(const std::string& path, const at::Tensor& images, int64_t columns = 0, int64_t padding = 2,
                    int64_t zoom = 0);

}  // namespace kaem::io
