#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>

#include <cmath>

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
constexpr size_t kExtra = 2;  // file of the set

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

/// The digits of y: int64 [N].
at::Tensor labels_of(const MatArray& y, const std::string& path) {
  const at::Tensor given = to_tensor(y).to(at::kDouble).flatten();
  at::Tensor labels = at::empty({given.size(0)}, at::kLong);
  for (int64_t i = 0; i < given.size(0); ++i) {
    const double label = given.const_data_ptr<double>()[i];
    if (!(label >= 1 && label <= kClasses) || std::trunc(label) != label)
      throw DataError(str(path, ": label ", label, " of record ", i, ", expected 1 to ", kClasses));
    labels.mutable_data_ptr<int64_t>()[i] = static_cast<int64_t>(label) % kClasses;  // 10 means the digit 0
  }
  return labels;
}

Records read_mat(const std::string& path, Dataset& data) {
  const auto arrays = parse(read_source(path, data), path);
  // Column-major (32,32,3,N) is row-major [N,3,32,32] with the columns before the rows.
  return {to_tensor(arrays[0]).transpose(2, 3).contiguous(), labels_of(arrays[1], path)};
}

}  // namespace

void check_svhn(std::string_view content, size_t, const std::string& path) { labels_of(parse(content, path)[1], path); }

Dataset load_svhn(const DataSet& set, const DatasetOptions& options) {
  const LocatedFiles files = locate_files(set, options.root, options.offline, options.progress);
  Dataset data;
  data.name = set.name;
  Records train = read_mat(files.one(0), data);
  // The easier digits follow only where more are asked for than the training set has.
  if (!files.paths[kExtra].empty() && options.train_size > train.images.size(0)) {
    const Records extra = read_mat(files.one(kExtra), data);
    train = {at::cat({train.images, extra.images}), at::cat({train.labels, extra.labels})};
    data.notes.push_back(str(data.name, ": records of ", files.one(kExtra), " follow those of the training set"));
  }
  std::optional<Records> test;
  if (files.missing_test.empty()) test = read_mat(files.one(1), data);
  set_images(data, std::move(train), std::move(test), files.missing_test, options);
  return data;
}

}  // namespace kaem
