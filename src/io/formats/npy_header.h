#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

/// The header of a .npy file, without torch. docs/file-formats.md.
namespace kaem::io {

struct NpyHeader {
  char kind = 'f';         ///< b (bool), i, u or f
  uint64_t item_size = 4;  ///< bytes of an element
  bool big_endian = false;
  bool fortran_order = false;
  std::vector<int64_t> shape;
  uint64_t data_offset = 0;  ///< of the first data byte in the file
};

/// Reads and checks the header of `image`, the whole file: the data has exactly the size of the shape. DataError names
/// `name` and what was found.
NpyHeader parse_npy_header(std::string_view image, const std::string& name);

/// A version 1.0 header, padded so that the data begins at a multiple of 64 bytes.
std::string format_npy_header(char kind, uint64_t item_size, const std::vector<int64_t>& shape);

}  // namespace kaem::io
