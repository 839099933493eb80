#include <cstdlib>

#include "data/formats/idx.h"
#include "fuzz/target.h"
#include "kaem/core/error.h"
#include "kaem/io/file.h"

/// IDX files of images and labels, gzipped or not: what is accepted must lie inside the file.
void kaem_fuzz(std::string_view bytes) {
  constexpr size_t kMaxContent = size_t{1} << 22;
  std::string unpacked;
  if (kaem::io::is_gzip(bytes)) {
    unpacked = kaem::io::gunzip(bytes, "input", kMaxContent);
    if (unpacked.size() > kMaxContent) std::abort();
    bytes = unpacked;
  }
  for (const size_t dimensions : {1, 3}) {
    try {
      const kaem::IdxHeader header = kaem::parse_idx_header(bytes, dimensions, "input");
      uint64_t size = 1;
      for (const int64_t side : header.shape) size *= static_cast<uint64_t>(side);
      if (header.shape.size() != dimensions || header.data_offset + size != bytes.size()) std::abort();
    } catch (const kaem::DataError&) {
    }
  }
}
