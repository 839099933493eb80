#include "data/formats/torch_save.h"

#include <cstdlib>

#include "fuzz/target.h"

/// Files of torch.save: every element of what is accepted lies in its storage.
void kaem_fuzz(std::string_view bytes) {
  const kaem::SavedTensor tensor = kaem::parse_torch_save(bytes, {"x", "y"}, "input");
  const uint64_t numel = tensor.storage.size() / tensor.item_size;
  if (tensor.sizes.size() != tensor.strides.size() || tensor.offset > numel) std::abort();
  uint64_t last = tensor.offset;
  for (size_t i = 0; i < tensor.sizes.size(); ++i) {
    if (tensor.sizes[i] == 0) return;
    if (tensor.sizes[i] < 0 || tensor.strides[i] < 0) std::abort();
    last += static_cast<uint64_t>(tensor.sizes[i] - 1) * static_cast<uint64_t>(tensor.strides[i]);
  }
  if (last >= numel) std::abort();
}
