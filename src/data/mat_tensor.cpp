#include "data/mat_tensor.h"

#include <ATen/ops/empty.h>

#include <array>
#include <cstring>

namespace kaem {
namespace {

struct ArrayType {
  char kind;
  uint64_t item_size;
  at::ScalarType type;
};
constexpr auto kTypes = std::to_array<ArrayType>({{'u', 1, at::kByte},
                                                  {'i', 1, at::kChar},
                                                  {'u', 2, at::kUInt16},
                                                  {'i', 2, at::kShort},
                                                  {'u', 4, at::kUInt32},
                                                  {'i', 4, at::kInt},
                                                  {'u', 8, at::kUInt64},
                                                  {'i', 8, at::kLong},
                                                  {'f', 4, at::kFloat},
                                                  {'f', 8, at::kDouble}});

}  // namespace

at::Tensor to_tensor(const MatArray& array) {
  at::ScalarType type = at::kByte;
  for (const auto& row : kTypes)
    if (row.kind == array.kind && row.item_size == array.item_size) type = row.type;
  at::Tensor tensor =
      at::empty(std::vector<int64_t>(array.shape.rbegin(), array.shape.rend()), at::TensorOptions().dtype(type));
  std::memcpy(tensor.mutable_data_ptr(), array.bytes.data(), tensor.nbytes());
  return tensor;
}

}  // namespace kaem
