#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace kaem {

/// Numbers of an HDF5 data set, its axes in HDF5's order.
struct Hdf5Array {
  std::vector<int64_t> shape;
  std::vector<double> numbers;
};

/// The first data set called one of `names` in the file. DataError if it cannot be read or holds none of them, or if
/// the program was built without HDF5.
Hdf5Array read_hdf5(const std::string& path, const std::vector<std::string_view>& names);

}  // namespace kaem
