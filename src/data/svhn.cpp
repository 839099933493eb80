#include <ATen/ops/empty.h>

#include <cstring>

#include "data/formats/mat.h"
#include "data/loaders.h"
#include "data/mat_tensor.h"
#include "data/records.h"
#include "data/registry.h"
#include "kaem/core/error.h"
#include "kaem/core/str.h"

namespace kaem {
namespace {

constexpr int64_t kSide = 32, kClasses = 10;

/// X (32,32,3,N) and y (N,1) of a file.
std::vector<MatArray> parse(std::string_view file, const std::string& path) {
  auto arrays = parse_mat(file, {"X", "y"}, path);
  const auto& images = arrays[0];
  if (images.shape.size() != 4 || images.kind != 'u' || images.item_size != 1 || images.shape[0] != kSide ||
      images.shape[1] != kSide || images.shape[2] != 3)
    throw DataError(str(path, ": X is not an array of bytes of shape 32x32x3xN"));
  uint64_t labels = 1;
  for (const int64_t size : arrays[1].shape) labels *= static_cast<uint64_t>(size);
  if (static_cast<int64_t>(labels) != images.shape[3])
    throw DataError(str(path, ": y has ", labels, " labels, but X has ", images.shape[3], " images"));
  return arrays;
}

Records read_records(const std::string& path, Dataset& data) {
  const auto arrays = parse(read_source(path, data), path);
  Records records;
  // Column-major (32,32,3,N) is row-major [N,3,32,32] with the columns before the rows.
  records.images = to_tensor(arrays[0]).transpose(2, 3).contiguous();
  const at::Tensor labels = to_tensor(arrays[1]).to(at::kDouble).flatten();
  records.labels = at::empty({labels.size(0)}, at::kLong);
  for (int64_t i = 0; i < labels.size(0); ++i) {
    const double label = labels.const_data_ptr<double>()[i];
    const auto number = static_cast<int64_t>(label);
    if (!(label >= 1 && label <= kClasses) || static_cast<double>(number) != label)
      throw DataError(str(path, ": label ", label, " of record ", i, ", expected 1 to ", kClasses));
    records.labels.mutable_data_ptr<int64_t>()[i] = number % kClasses;  // 10 means the digit 0
  }
  return records;
}

}  // namespace

void check_svhn(std::string_view content, size_t, const std::string& path) { parse(content, path); }

Dataset load_svhn(const DataSet& set, const DatasetOptions& options) {
  const LocatedFiles files = locate_files(set, options.root, options.offline, options.progress);
  Dataset data;
  data.name = set.name;
  Records train = read_records(files.one(0), data);
  std::optional<Records> test;
  if (files.missing_test.empty()) test = read_records(files.one(1), data);
  set_images(data, std::move(train), std::move(test), files.missing_test, options);
  return data;
}

}  // namespace kaem
