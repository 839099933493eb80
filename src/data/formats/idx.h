#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

/// IDX, the format of MNIST, without torch. docs/file-formats.md.
namespace kaem {

struct IdxHeader {
  std::vector<int64_t> shape;
  uint64_t data_offset = 0;  ///< of the first data byte in the file
};

/// Reads and checks the header of `image`, the whole (unpacked) file of unsigned bytes with `dimensions` axes: the data
/// has exactly the size of the shape, which is nowhere 0. DataError names `name`, what was found and what was expected.
IdxHeader parse_idx_header(std::string_view image, size_t dimensions, const std::string& name);

}  // namespace kaem
