#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// The safetensors format (u64 header length, JSON header, raw little-endian data). docs/file-formats.md.
namespace kaem::io {

using NamedTensors = std::vector<std::pair<std::string, at::Tensor>>;
using Metadata = std::map<std::string, std::string>;

/// All tensors (any device; written contiguous) and metadata as one safetensors image.
std::string to_safetensors(const NamedTensors& tensors, const Metadata& metadata);

struct SafetensorsContent {
  std::map<std::string, at::Tensor> tensors;
  Metadata metadata;
};

/// The other way round. `name` stands in the DataError that any malformed image gives.
SafetensorsContent parse_safetensors(std::string_view image, const std::string& name);

}  // namespace kaem::io
