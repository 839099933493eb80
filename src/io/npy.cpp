#include <ATen/ops/empty.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "io/formats/npy_header.h"
#include "kaem/core/error.h"
#include "kaem/core/str.h"
#include "kaem/io/file.h"
#include "kaem/io/npy.h"

namespace kaem::io {
namespace {

struct NpyType {
  char kind;
  uint64_t item_size;
  at::ScalarType type;
};
constexpr auto kTypes = std::to_array<NpyType>({{'b', 1, at::kBool},
                                                {'i', 1, at::kChar},
                                                {'i', 2, at::kShort},
                                                {'i', 4, at::kInt},
                                                {'i', 8, at::kLong},
                                                {'u', 1, at::kByte},
                                                {'u', 2, at::kUInt16},
                                                {'u', 4, at::kUInt32},
                                                {'u', 8, at::kUInt64},
                                                {'f', 2, at::kHalf},
                                                {'f', 4, at::kFloat},
                                                {'f', 8, at::kDouble}});

void swap_bytes(char* data, uint64_t count, uint64_t item_size) {
  for (uint64_t i = 0; i < count; ++i) std::reverse(data + i * item_size, data + (i + 1) * item_size);
}

}  // namespace

std::string to_npy(const at::Tensor& tensor, const std::string& name) {
  at::Tensor plain = tensor.detach().to(at::kCPU);
  if (plain.scalar_type() == at::kBFloat16) plain = plain.to(at::kFloat);  // NumPy has no such type
  plain = plain.contiguous();
  const auto* row =
      std::find_if(kTypes.begin(), kTypes.end(), [&](const auto& t) { return t.type == plain.scalar_type(); });
  if (row == kTypes.end())
    throw Error(str("cannot write ", name, ": .npy has no type for ", c10::toString(plain.scalar_type())));
  std::string image = format_npy_header(row->kind, row->item_size, plain.sizes().vec());
  if (plain.numel() > 0) image.append(static_cast<const char*>(plain.const_data_ptr()), plain.nbytes());
  return image;
}

void write_npy(const std::string& path, const at::Tensor& tensor) { write_file_atomic(path, to_npy(tensor, path)); }

at::Tensor read_npy(const std::string& path) { return parse_npy(read_file(path), path); }

at::Tensor parse_npy(const std::string& image, const std::string& name) {
  const NpyHeader header = parse_npy_header(image, name);
  const auto* row = std::find_if(kTypes.begin(), kTypes.end(), [&](const auto& t) {
    return t.kind == header.kind && t.item_size == header.item_size;
  });
  if (row == kTypes.end()) throw DataError(str(name, ": no type for '", header.kind, header.item_size, "'"));
  std::vector<int64_t> shape = header.shape;
  if (header.fortran_order) std::reverse(shape.begin(), shape.end());
  at::Tensor tensor = at::empty(shape, at::TensorOptions().dtype(row->type));
  if (tensor.numel() > 0) {
    char* const data = static_cast<char*>(tensor.mutable_data_ptr());
    std::memcpy(data, image.data() + header.data_offset, tensor.nbytes());
    if (header.big_endian) swap_bytes(data, static_cast<uint64_t>(tensor.numel()), header.item_size);
    // NumPy's bool is 0 or 1; anything else would be undefined behaviour later.
    if (header.kind == 'b' && std::any_of(data, data + tensor.numel(), [](char c) { return c != 0 && c != 1; }))
      throw DataError(name + ": a bool array holds other bytes than 0 and 1");
  }
  if (!header.fortran_order) return tensor;
  std::vector<int64_t> order(shape.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = static_cast<int64_t>(order.size() - 1 - i);
  return tensor.permute(order).contiguous();
}

}  // namespace kaem::io
