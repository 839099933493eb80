#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

/// Files of torch.save, without torch: its own reader trusts what the file says of sizes, strides and offsets.
/// docs/file-formats.md.
namespace kaem {

struct SavedTensor {
  char kind = 'f';         ///< f, i, u, b (bool) or h (bfloat16)
  uint64_t item_size = 4;  ///< bytes of an element
  std::vector<int64_t> sizes, strides;
  uint64_t offset = 0;  ///< of the first element in the storage, in elements
  std::string storage;  ///< the sizes, strides and offset stay within it
};

/// The first tensor that is called one of `names` in a dict (or OrderedDict) that torch.save wrote to `file`, in its
/// zip form or the one before (legacy). DataError names `path`, and what the file holds where it is another thing.
SavedTensor parse_torch_save(std::string_view file, const std::vector<std::string_view>& names,
                             const std::string& path);

}  // namespace kaem
