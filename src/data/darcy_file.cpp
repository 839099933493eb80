#include "data/darcy_file.h"

#include <ATen/ops/as_strided.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>

#include <algorithm>
#include <fstream>

#include "data/formats/hdf5.h"
#include "data/formats/mat.h"
#include "data/formats/torch_save.h"
#include "data/mat_tensor.h"
#include "kaem/core/error.h"
#include "kaem/core/str.h"
#include "kaem/io/file.h"
#include "kaem/io/npy.h"

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

at::ScalarType type_of(const SavedTensor& saved) {
  switch (saved.kind) {
    case 'f':
      return saved.item_size == 2 ? at::kHalf : saved.item_size == 4 ? at::kFloat : at::kDouble;
    case 'h':
      return at::kBFloat16;
    case 'i':
      return saved.item_size == 1   ? at::kChar
             : saved.item_size == 2 ? at::kShort
             : saved.item_size == 4 ? at::kInt
                                    : at::kLong;
    default:  // u and b: a bool of a damaged file may be any byte
      return saved.item_size == 1   ? at::kByte
             : saved.item_size == 2 ? at::kUInt16
             : saved.item_size == 4 ? at::kUInt32
                                    : at::kUInt64;
  }
}

/// A tensor of a dict that torch.save wrote: float64.
at::Tensor read_pt(const std::string& path, bool permeability) {
  const std::string file = io::read_file(path);
  SavedTensor saved = parse_torch_save(file, names_of(permeability), path);
  if (saved.storage.empty()) return at::empty(saved.sizes, at::kDouble);
  const at::Tensor storage = at::from_blob(
      saved.storage.data(), {std::ssize(saved.storage) / static_cast<int64_t>(saved.item_size)}, type_of(saved));
  const at::Tensor view = storage.as_strided(saved.sizes, saved.strides, static_cast<int64_t>(saved.offset));
  return saved.kind == 'b' ? view.ne(0).to(at::kDouble) : view.to(at::kDouble, /*non_blocking=*/false, /*copy=*/true);
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
  throw DataError(str(path, ": holds none of the arrays ", join(names), "; it holds ",
                      there.empty() ? "none" : join({there.begin(), there.end()})));
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
    throw ConfigError(str("[DATA] darcy_file = ", path, ": expected a file .npy, .pt, .mat or .h5"));
  const std::string start = first_bytes(path);
  if (path.ends_with(".mat") && !start.starts_with("MATLAB 7.3")) return read_mat5(path, permeability);
  Names names = names_of(permeability);
  names.push_back(permeability ? "nu" : "tensor");  // PDEBench's: [N,H,W] and [N,1,H,W]
  const auto array = std::make_shared<Hdf5Array>(read_hdf5(path, names));
  const at::Tensor stored = at::from_blob(
      array->numbers.data(), array->shape, [array](void*) {}, at::kDouble);
  return start.starts_with("MATLAB 7.3") ? from_matlab(stored) : stored;
}

}  // namespace kaem::darcy
