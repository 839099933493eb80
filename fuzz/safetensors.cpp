#include <cstdlib>
#include <set>

#include "fuzz/target.h"
#include "io/formats/safetensors_header.h"

/// Safetensors images: what is accepted covers the data exactly, and the header written from it says the same.
void kaem_fuzz(std::string_view bytes) {
  const auto header = kaem::io::parse_safetensors_header(bytes, "input");
  uint64_t position = 0;
  std::set<std::string> names;
  for (const auto& entry : header.tensors) {
    uint64_t size = kaem::io::safetensors_item_size(entry.dtype);
    for (const int64_t side : entry.shape) size *= static_cast<uint64_t>(side);
    if (entry.begin != position || entry.end - entry.begin != size || !names.insert(entry.name).second) std::abort();
    position = entry.end;
  }
  if (header.data_offset + position != bytes.size()) std::abort();
  const std::string again = kaem::io::format_safetensors_header(header) + std::string(bytes.substr(header.data_offset));
  const auto second = kaem::io::parse_safetensors_header(again, "written");
  if (second.metadata != header.metadata || second.tensors.size() != header.tensors.size()) std::abort();
  for (const auto& entry : second.tensors)
    if (names.count(entry.name) == 0) std::abort();
}
