#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

/// MATLAB 5 files (.mat), without torch. docs/file-formats.md.
namespace kaem {

/// A numeric array as it is stored: MATLAB may keep whole numbers of a double array as bytes.
struct MatArray {
  std::string name;
  std::vector<int64_t> shape;  ///< the first axis is the fastest
  char kind = 'u';             ///< 'u' unsigned, 'i' signed, 'f' floating
  uint64_t item_size = 1;      ///< bytes of an element
  std::string bytes;           ///< little-endian
};

/// True if `image` begins as a MATLAB 5 file does, in either byte order.
bool is_mat5(std::string_view image);

/// The arrays called `wanted` in `image`, the whole file, in the order of `wanted`. DataError names `name`: no MATLAB 5
/// file, big-endian, truncated, damaged, an array that is missing, complex, sparse or not numeric, or whose data have
/// not the size of its shape.
std::vector<MatArray> parse_mat(std::string_view image, const std::vector<std::string>& wanted,
                                const std::string& name);

/// Names of the arrays in the file, in its order. DataError as parse_mat.
std::vector<std::string> mat_names(std::string_view image, const std::string& name);

}  // namespace kaem
