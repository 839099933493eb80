#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

/// Reads the little of Python's pickles that data sets hold: a dict of NumPy arrays and lists of numbers. Nothing is
/// ever called or imported. Without torch.
namespace kaem {

struct PickledArray {
  std::vector<int64_t> shape;
  bool fortran_order = false;
  std::string_view bytes;  ///< part of the file
};

struct PickledArrays {
  std::map<std::string, PickledArray> arrays;
  std::map<std::string, std::vector<int64_t>> lists;  ///< those of whole numbers only
};

/// The dict in `file` (protocols 1 to 3, keys are strings or bytes); other values than arrays and lists of whole
/// numbers are left out. DataError names `name` if the pickle is truncated, damaged, uses other operations or holds no
/// dict.
PickledArrays parse_pickle(std::string_view file, const std::string& name);

}  // namespace kaem
