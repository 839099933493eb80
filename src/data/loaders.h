#pragma once

#include <string>
#include <vector>

#include "kaem/data/dataset.h"

namespace kaem {

struct DataSet;

/// Images and labels from four IDX files.
Dataset load_idx_images(const DataSet& set, const DatasetOptions& options);

/// Darcy fields, solved here or from a file.
Dataset load_darcy(const DataSet& set, const DatasetOptions& options);

/// Sentences as indices of words.
Dataset load_text(const DataSet& set, const DatasetOptions& options);

/// Checks the header of file `index` of a set of four IDX files.
void check_idx(std::string_view content, size_t index, const std::string& path);

/// Images [N,C,h,w], uint8 (value/255) or floating, as float32 [N,C,H,W]: bilinear, antialiased. `size` = H, W.
at::Tensor resize_images(const at::Tensor& images, const std::vector<int64_t>& size);

}  // namespace kaem
