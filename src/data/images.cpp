#include <ATen/ops/empty.h>

#include <algorithm>
#include <cstring>

#include "data/formats/idx.h"
#include "data/loaders.h"
#include "data/registry.h"
#include "kaem/core/error.h"
#include "kaem/core/str.h"
#include "kaem/io/file.h"

namespace kaem {
namespace {

constexpr int kClasses = 10;

struct Records {
  at::Tensor images;  ///< uint8 [N,1,H,W]
  at::Tensor labels;  ///< int64 [N]
};

/// The unpacked bytes of a file, noted with its SHA-256 in `sources`.
std::string read_source(const std::string& path, Dataset& data) {
  std::string file = io::read_file(path);
  data.sources.emplace_back(path, io::sha256(file));
  return io::is_gzip(file) ? io::gunzip(file, path) : file;
}

at::Tensor read_labels(const std::string& path, Dataset& data) {
  const std::string file = read_source(path, data);
  const IdxHeader header = parse_idx_header(file, 1, path);
  at::Tensor labels = at::empty(header.shape, at::kLong);
  int64_t* const out = labels.mutable_data_ptr<int64_t>();
  for (int64_t i = 0; i < labels.numel(); ++i) {
    out[i] = static_cast<unsigned char>(file[header.data_offset + static_cast<uint64_t>(i)]);
    if (out[i] >= kClasses)
      throw DataError(str(path, ": label ", out[i], " of record ", i, ", expected 0 to ", kClasses - 1));
  }
  return labels;
}

Records read_records(const std::string& images_path, const std::string& labels_path, Dataset& data) {
  const std::string file = read_source(images_path, data);
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

/// The first `count` records in memory of their own, all (with a note) if there are fewer.
Records first_records(const Records& records, int64_t count, const char* what, const char* key, Dataset& data) {
  const int64_t available = records.images.size(0);
  if (count > available)
    data.notes.push_back(
        str(data.name, ": ", available, " ", what, " images found, ", count, " asked for (", key, "): all are used"));
  const int64_t taken = std::min(count, available);
  if (taken == available) return records;
  return {records.images.narrow(0, 0, taken).clone(), records.labels.narrow(0, 0, taken).clone()};
}

/// Without test files the last training records serve, and are no longer trained on.
Records split_off_test(Records& train, int64_t count, const std::string& missing_test, Dataset& data) {
  const int64_t available = train.images.size(0);
  if (count >= available)
    throw DataError(
        str(missing_test, "; and ", available, " training images cannot give ", count, " test images (N_test)"));
  data.notes.push_back(
      str(data.name, ": no test files, so the last ", count, " training images are the test set (", missing_test, ")"));
  const int64_t rest = available - count;
  Records test{train.images.narrow(0, rest, count).clone(), train.labels.narrow(0, rest, count).clone()};
  train = {train.images.narrow(0, 0, rest), train.labels.narrow(0, 0, rest)};
  return test;
}

}  // namespace

void check_idx(std::string_view content, size_t index, const std::string& path) {
  parse_idx_header(content, index % 2 == 0 ? 3 : 1, path);
}

Dataset load_idx_images(const DataSet& set, const DatasetOptions& options) {
  const LocatedFiles files = locate_files(set, options.root, options.offline, options.progress);
  Dataset data;
  data.name = set.name;
  data.dequantize = options.dequantize;
  Records train = read_records(files.one(0), files.one(1), data);
  Records test;
  if (files.missing_test.empty()) {
    test = read_records(files.one(2), files.one(3), data);
    if (test.images.sizes().slice(1) != train.images.sizes().slice(1))
      throw DataError(str(files.one(2), " has images of ", test.images.size(2), "x", test.images.size(3), ", but ",
                          files.one(0), " of ", train.images.size(2), "x", train.images.size(3)));
  } else {
    test = split_off_test(train, options.test_size, files.missing_test, data);
  }
  train = first_records(train, options.train_size, "training", "N_train", data);
  test = first_records(test, options.test_size, "test", "N_test", data);
  data.train_labels = train.labels;
  data.test_labels = test.labels;
  const bool resized = !options.resize.empty() && options.resize != train.images.sizes().slice(2).vec();
  if (resized && data.dequantize)
    data.notes.push_back(data.name + ": images are resized, so dequantize adds its noise to averages of bytes");
  data.train = resized ? resize_images(train.images, options.resize) : train.images;
  data.test = resized ? resize_images(test.images, options.resize) : test.images;
  data.shape = {data.train.size(1), data.train.size(2), data.train.size(3)};
  return data;
}

}  // namespace kaem
