#include "data/darcy_file.h"

#include <torch/csrc/jit/serialization/pickle.h>

#include <algorithm>
#include <fstream>

#include "data/formats/mat.h"
#include "data/mat_tensor.h"
#include "kaem/core/error.h"
#include "kaem/core/str.h"
#include "kaem/io/file.h"
#include "kaem/io/image.h"

namespace kaem::darcy {
namespace {

using Names = std::vector<std::string_view>;

Names names_of(bool permeability) {
  return permeability ? Names{"x", "a_field", "coeff", "a"} : Names{"y", "u_field", "sol", "u"};
}

std::string join(const Names& names) {
  std::string text;
  for (const auto name : names) text += str(text.empty() ? "" : ", ", name);
  return text;
}

/// A dict of tensors that torch.save wrote.
at::Tensor read_pt(const std::string& path, bool permeability) {
  const std::string file = io::read_file(path);
  const Names names = names_of(permeability);
  c10::IValue value;
  try {
    value = torch::jit::pickle_load({file.begin(), file.end()});
  } catch (const std::exception& error) {
    const std::string_view text = error.what();  // LibTorch's own go on with a back trace
    throw DataError(str(path, ": not a file of torch.save: ", text.substr(0, text.find('\n'))));
  }
  if (!value.isGenericDict()) throw DataError(path + ": holds no dict of tensors");
  for (const auto name : names)
    for (const auto& entry : value.toGenericDict())
      if (entry.key().isString() && entry.key().toStringRef() == name && entry.value().isTensor())
        return entry.value().toTensor();
  throw DataError(str(path, ": the dict holds no tensor called one of ", join(names)));
}

/// MATLAB's (N,H,W): the axes of `reversed` are W, H, N.
at::Tensor from_matlab(const at::Tensor& reversed) {
  return reversed.dim() == 3 ? reversed.permute({2, 1, 0}) : reversed;
}

at::Tensor read_mat5(const std::string& path, bool permeability) {
  const std::string file = io::read_file(path);
  const auto there = mat_names(file, path);
  const Names names = names_of(permeability);
  for (const auto name : names)
    if (std::find(there.begin(), there.end(), name) != there.end())
      return from_matlab(to_tensor(parse_mat(file, {std::string(name)}, path).front()));
  throw DataError(str(path, ": holds none of the arrays ", join(names)));
}

std::string first_bytes(const std::string& path) {
  std::string bytes(128, '\0');
  std::ifstream file(path, std::ios::binary);
  file.read(bytes.data(), std::ssize(bytes));
  bytes.resize(static_cast<size_t>(file.gcount()));
  return bytes;
}

bool has_extension(const std::string& path, std::initializer_list<std::string_view> extensions) {
  return std::any_of(extensions.begin(), extensions.end(), [&](auto e) { return path.ends_with(e); });
}

}  // namespace

bool holds_both(const std::string& path) { return !path.ends_with(".npy"); }

at::Tensor read_fields(const std::string& path, bool permeability) {
  if (path.ends_with(".npy")) return io::read_npy(path);
  if (has_extension(path, {".pt", ".pth"})) return read_pt(path, permeability);
  if (!has_extension(path, {".mat", ".h5", ".hdf5"}))
    throw ConfigError(str("[DATA] darcy_file = ", path, ": want a file .npy, .pt, .mat or .h5"));
  const std::string start = first_bytes(path);
  if (path.ends_with(".mat") && !start.starts_with("MATLAB 7.3")) return read_mat5(path, permeability);
  const at::Tensor stored = read_hdf5(path, names_of(permeability));
  return start.starts_with("MATLAB 7.3") ? from_matlab(stored) : stored;
}

}  // namespace kaem::darcy
