#include <ATen/ops/empty.h>

#include <cstring>

#include "data/formats/idx.h"
#include "data/loaders.h"
#include "data/records.h"
#include "data/registry.h"
#include "kaem/core/error.h"
#include "kaem/core/str.h"
#include "kaem/io/file.h"

namespace kaem {
namespace {

constexpr int kClasses = 10;

std::string read_unpacked(const std::string& path, Dataset& data) {
  std::string file = read_source(path, data);
  return io::is_gzip(file) ? io::gunzip(file, path) : file;
}

void check_labels(std::string_view file, const IdxHeader& header, const std::string& path) {
  for (int64_t i = 0; i < header.shape[0]; ++i)
    if (const int label = static_cast<unsigned char>(file[header.data_offset + static_cast<uint64_t>(i)]);
        label >= kClasses)
      throw DataError(str(path, ": label ", label, " of record ", i, ", expected 0 to ", kClasses - 1));
}

at::Tensor read_labels(const std::string& path, Dataset& data) {
  const std::string file = read_unpacked(path, data);
  const IdxHeader header = parse_idx_header(file, 1, path);
  check_labels(file, header, path);
  at::Tensor labels = at::empty(header.shape, at::kLong);
  int64_t* const out = labels.mutable_data_ptr<int64_t>();
  for (int64_t i = 0; i < labels.numel(); ++i)
    out[i] = static_cast<unsigned char>(file[header.data_offset + static_cast<uint64_t>(i)]);
  return labels;
}

Records read_idx(const std::string& images_path, const std::string& labels_path, Dataset& data) {
  const std::string file = read_unpacked(images_path, data);
  const IdxHeader header = parse_idx_header(file, 3, images_path);
  Records records;
  records.images = at::empty({header.shape[0], 1, header.shape[1], header.shape[2]}, at::kByte);
  std::memcpy(records.images.mutable_data_ptr(), file.data() + header.data_offset, records.images.nbytes());
  records.labels = read_labels(labels_path, data);
  if (records.labels.size(0) != header.shape[0])
    throw DataError(str(labels_path, " has ", records.labels.size(0), " labels, but ", images_path, " has ",
                        header.shape[0], " images"));
  return records;
}

}  // namespace

void check_idx(std::string_view content, size_t index, const std::string& path) {
  const bool labels = index % 2 == 1;
  const IdxHeader header = parse_idx_header(content, labels ? 1 : 3, path);
  if (labels) check_labels(content, header, path);
}

Dataset load_idx_images(const DataSet& set, const DatasetOptions& options) {
  const LocatedFiles files = locate_files(set, options.root, options.offline, options.progress);
  Dataset data;
  data.name = set.name;
  Records train = read_idx(files.one(0), files.one(1), data);
  std::optional<Records> test;
  if (files.missing_test.empty()) {
    test = read_idx(files.one(2), files.one(3), data);
    if (test->images.sizes().slice(1) != train.images.sizes().slice(1))
      throw DataError(str(files.one(2), " has images of ", test->images.size(2), "x", test->images.size(3), ", but ",
                          files.one(0), " of ", train.images.size(2), "x", train.images.size(3)));
  }
  set_images(data, std::move(train), std::move(test), files.missing_test, options);
  return data;
}

}  // namespace kaem
