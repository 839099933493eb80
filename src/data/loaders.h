#pragma once

#include <string>
#include <vector>

#include "kaem/data/dataset.h"

namespace kaem {

struct IdxSet;

/// Images and labels from four IDX files.
Dataset load_idx_images(const IdxSet& set, const DatasetOptions& options);

/// Darcy fields, solved here or from a .npy file.
Dataset load_darcy(const DatasetOptions& options);

/// Images [N,C,h,w], uint8 (value/255) or floating, as float32 [N,C,H,W]: bilinear, antialiased. `size` = H, W.
at::Tensor resize_images(const at::Tensor& images, const std::vector<int64_t>& size);

}  // namespace kaem
