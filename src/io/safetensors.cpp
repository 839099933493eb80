#include "kaem/io/safetensors.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "io/formats/safetensors_header.h"
#include "kaem/core/error.h"
#include "kaem/core/str.h"

static_assert(std::endian::native == std::endian::little, "safetensors and npy data are written as they lie in memory");

namespace kaem::io {
namespace {

struct Dtype {
  std::string_view name;
  at::ScalarType type;
};
constexpr auto kDtypes = std::to_array<Dtype>({{"BOOL", at::kBool},
                                               {"U8", at::kByte},
                                               {"I8", at::kChar},
                                               {"I16", at::kShort},
                                               {"I32", at::kInt},
                                               {"I64", at::kLong},
                                               {"U16", at::kUInt16},
                                               {"U32", at::kUInt32},
                                               {"U64", at::kUInt64},
                                               {"F8_E4M3", at::kFloat8_e4m3fn},
                                               {"F8_E5M2", at::kFloat8_e5m2},
                                               {"F16", at::kHalf},
                                               {"BF16", at::kBFloat16},
                                               {"F32", at::kFloat},
                                               {"F64", at::kDouble}});

std::string dtype_name(const std::string& tensor, at::ScalarType type) {
  for (const auto& row : kDtypes)
    if (row.type == type) return std::string(row.name);
  throw Error(
      str("safetensors: tensor '", tensor, "' has type ", c10::toString(type), ", which the format does not know"));
}

at::ScalarType scalar_type(std::string_view name) {
  for (const auto& row : kDtypes)
    if (row.name == name) return row.type;
  throw Error(str("safetensors: no type for ", name));  // the header parser lets none through
}

}  // namespace

std::string to_safetensors(const NamedTensors& tensors, const Metadata& metadata) {
  NamedTensors sorted;
  for (const auto& [name, tensor] : tensors) {
    if (!tensor.defined()) throw Error(str("safetensors: tensor '", name, "' is undefined"));
    dtype_name(name, tensor.scalar_type());
    sorted.emplace_back(name, tensor.detach().to(at::kCPU).contiguous());
  }
  // Widest elements first keeps every tensor aligned, which readers that map the file rely on.
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const auto& a, const auto& b) { return a.second.element_size() > b.second.element_size(); });
  SafetensorsHeader header;
  header.metadata = metadata;
  uint64_t position = 0;
  for (const auto& [name, tensor] : sorted) {
    const uint64_t end = position + tensor.nbytes();
    header.tensors.push_back({name, dtype_name(name, tensor.scalar_type()), tensor.sizes().vec(), position, end});
    position = end;
  }
  std::string image = format_safetensors_header(header);
  image.reserve(image.size() + position);
  for (const auto& [name, tensor] : sorted)
    if (tensor.numel() > 0) image.append(static_cast<const char*>(tensor.const_data_ptr()), tensor.nbytes());
  return image;
}

SafetensorsContent parse_safetensors(std::string_view image, const std::string& name) {
  const SafetensorsHeader header = parse_safetensors_header(image, name);
  SafetensorsContent content;
  content.metadata = header.metadata;
  for (const auto& entry : header.tensors) {
    const std::string_view bytes = image.substr(header.data_offset + entry.begin, entry.end - entry.begin);
    // A bool that is neither 0 nor 1 would be undefined behaviour later.
    if (entry.dtype == "BOOL" && std::any_of(bytes.begin(), bytes.end(), [](char c) { return c != 0 && c != 1; }))
      throw DataError(str(name, ": tensor '", entry.name, "' is BOOL but holds other bytes than 0 and 1"));
    at::Tensor tensor = at::empty(entry.shape, at::TensorOptions().dtype(scalar_type(entry.dtype)));
    if (!bytes.empty()) std::memcpy(tensor.mutable_data_ptr(), bytes.data(), bytes.size());
    content.tensors.emplace(entry.name, std::move(tensor));
  }
  return content;
}

}  // namespace kaem::io
