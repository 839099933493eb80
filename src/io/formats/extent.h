#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

namespace kaem::io {

/// Bytes of an array of `shape` with `item` bytes an element, or nothing if that does not fit in 62 bits. Zeros are
/// counted as ones in the check, since strides are products of the other sizes.
inline std::optional<uint64_t> array_bytes(const std::vector<int64_t>& shape, uint64_t item) {
  constexpr uint64_t kMax = uint64_t{1} << 62;
  uint64_t bytes = item;
  bool empty = false;
  for (const int64_t size : shape) {
    if (size < 0) return std::nullopt;
    empty = empty || size == 0;
    const uint64_t factor = size == 0 ? 1 : static_cast<uint64_t>(size);
    if (factor > kMax / bytes) return std::nullopt;
    bytes *= factor;
  }
  return empty ? 0 : bytes;
}

}  // namespace kaem::io
