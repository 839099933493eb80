#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <string>

/// NumPy's files.
namespace kaem::io {

/// Writes a tensor as .npy (version 1.0, C order).
void write_npy(const std::string& path, const at::Tensor& tensor);

/// Reads a .npy file of a numeric type; DataError if malformed.
at::Tensor read_npy(const std::string& path);

/// The bytes of such a file, and back. `name` stands in errors.
std::string to_npy(const at::Tensor& tensor, const std::string& name);
at::Tensor parse_npy(const std::string& image, const std::string& name);

/// A .npz archive (np.savez; read also as np.savez_compressed writes it): arrays by name. DataError if it is malformed,
/// holds more than 4 GiB, or an array that is not numeric.
void write_npz(const std::string& path, const std::map<std::string, at::Tensor>& arrays);
std::map<std::string, at::Tensor> read_npz(const std::string& path);

}  // namespace kaem::io
