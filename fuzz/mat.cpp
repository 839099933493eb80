#include <cstdlib>

#include "data/formats/mat.h"
#include "fuzz/target.h"

/// MATLAB 5 files: an accepted array has the bytes that its shape says.
void kaem_fuzz(std::string_view bytes) {
  for (const auto& name : kaem::mat_names(bytes, "input")) {
    if (name.size() > bytes.size() * 1100 + 4096) std::abort();
  }
  for (const auto& array : kaem::parse_mat(bytes, {"X", "y"}, "input")) {
    uint64_t size = array.item_size;
    for (const int64_t side : array.shape) size *= static_cast<uint64_t>(side);
    if (size != array.bytes.size() || array.shape.size() < 2) std::abort();
  }
}
