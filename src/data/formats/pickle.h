#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// Reads the little of Python's pickles that data sets hold: a dict of NumPy arrays and lists of numbers. Nothing is
/// ever called or imported. Without torch.
namespace kaem {

struct PickledArray {
  std::vector<int64_t> shape;
  std::string type;  ///< as NumPy writes it: u1, f4, ...
  bool big_endian = false;
  bool fortran_order = false;
  std::string_view bytes;  ///< part of the file or of `decoded`
};

struct PickledArrays {
  std::map<std::string, PickledArray> arrays;
  std::map<std::string, std::vector<int64_t>> lists;       ///< of whole numbers, NumPy's or Python's
  std::shared_ptr<const std::deque<std::string>> decoded;  ///< bytes that do not stand in the file as they are
};

/// The numbers of an array of one axis of integers (u1, i1, u2, ... i8); none of another or of a wrong size.
std::optional<std::vector<int64_t>> integers_of(const PickledArray& array);

/// The dict in `file` (protocols 1 to 5, as Python 2 and 3 write them; keys are strings or bytes); other values than
/// arrays and lists of whole numbers are left out. DataError names `name` if the pickle is truncated, damaged, uses
/// other operations or holds no dict.
PickledArrays parse_pickle(std::string_view file, const std::string& name);

}  // namespace kaem
