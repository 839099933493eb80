#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

/// HDF5 files that are written. No torch here.
namespace kaem::io {

/// True if the program was built with the HDF5 library, without which it writes none.
bool has_hdf5();

/// A file with one contiguous data set of `shape`, little-endian float32 or int64, in HDF5's order of axes: the last
/// one runs fastest. UsageError if the program was built without HDF5, Error if the file cannot be written.
void write_hdf5(const std::string& path, const std::string& name, const std::vector<int64_t>& shape,
                std::span<const float> values);
void write_hdf5(const std::string& path, const std::string& name, const std::vector<int64_t>& shape,
                std::span<const int64_t> values);

}  // namespace kaem::io
