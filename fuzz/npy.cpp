#include <cstdlib>

#include "fuzz/target.h"
#include "io/formats/npy_header.h"

/// .npy files: what is accepted has the size of its shape, and the header written from it says the same.
void kaem_fuzz(std::string_view bytes) {
  const auto header = kaem::io::parse_npy_header(bytes, "input");
  uint64_t size = header.item_size;
  for (const int64_t side : header.shape) size *= static_cast<uint64_t>(side);
  if (header.data_offset + size != bytes.size()) std::abort();
  const std::string again = kaem::io::format_npy_header(header.kind, header.item_size, header.shape) +
                            std::string(bytes.substr(header.data_offset));
  const auto second = kaem::io::parse_npy_header(again, "written");
  if (second.shape != header.shape || second.kind != header.kind || second.item_size != header.item_size) std::abort();
}
