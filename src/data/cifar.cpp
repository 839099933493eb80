#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <cstring>
#include <filesystem>

#include "data/formats/cifar.h"
#include "data/formats/tar.h"
#include "data/loaders.h"
#include "data/records.h"
#include "data/registry.h"
#include "kaem/core/error.h"
#include "kaem/core/str.h"
#include "kaem/io/file.h"

namespace kaem {
namespace {

constexpr int64_t kBatches = 5, kBatchSize = 10000;
constexpr std::string_view kTrainStem = "data_batch_", kTestStem = "test_batch";

Records to_records(const CifarBatch& batch) {
  const auto count = static_cast<int64_t>(batch.labels.size());
  Records records{at::empty({count, 3, 32, 32}, at::kByte), at::empty({count}, at::kLong)};
  for (int64_t i = 0; i < count; ++i) {
    std::memcpy(records.images.mutable_data_ptr<uint8_t>() + i * kCifarPixels, batch.pixels[i].data(), kCifarPixels);
    records.labels.mutable_data_ptr<int64_t>()[i] = batch.labels[i];
  }
  return records;
}

CifarBatch parse_batch(std::string_view file, const std::string& name) {
  return name.ends_with(".bin") ? parse_cifar_binary(file, name) : parse_cifar_pickle(file, name);
}

/// The batches whose names begin with `stem` in a file, which is one of them or an archive of them.
void read_batches(const std::string& path, std::string_view file, std::string_view stem,
                  std::vector<Records>& batches) {
  if (!io::is_gzip(file)) return batches.push_back(to_records(parse_batch(file, path)));
  const std::string unpacked = io::gunzip(file, path);
  auto entries = parse_tar(unpacked, path);
  std::sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  const size_t before = batches.size();
  for (const auto& entry : entries)
    if (std::filesystem::path(entry.name).filename().string().starts_with(stem))
      batches.push_back(to_records(parse_batch(entry.content, path + "/" + entry.name)));
  if (batches.size() == before) throw DataError(str(path, ": the archive holds no ", stem, "* of CIFAR-10"));
}

Records read_batches(const std::vector<std::string>& paths, std::string_view stem, Dataset& data) {
  std::vector<Records> batches;
  for (const auto& path : paths) read_batches(path, read_source(path, data), stem, batches);
  std::vector<at::Tensor> images, labels;
  for (const auto& batch : batches) images.push_back(batch.images), labels.push_back(batch.labels);
  return {at::cat(images), at::cat(labels)};
}

}  // namespace

void check_cifar(std::string_view content, size_t index, const std::string& path) {
  if (!path.ends_with(".gz")) return void(parse_batch(content, path));
  for (const auto& entry : parse_tar(content, path))
    if (std::filesystem::path(entry.name).filename().string().starts_with(index == 0 ? kTrainStem : kTestStem))
      parse_batch(entry.content, path + "/" + entry.name);
}

Dataset load_cifar(const DataSet& set, const DatasetOptions& options) {
  const LocatedFiles files = locate_files(set, options.root, options.offline, options.progress);
  Dataset data;
  data.name = set.name;
  Records train = read_batches(files.paths[0], kTrainStem, data);
  if (train.images.size(0) < kBatches * kBatchSize && train.images.size(0) >= options.train_size)
    data.notes.push_back(str(data.name, ": a part of the training set, ", train.images.size(0), " of ",
                             kBatches * kBatchSize, " images"));
  std::optional<Records> test;
  if (files.missing_test.empty()) test = read_batches(files.paths[1], kTestStem, data);
  set_images(data, std::move(train), std::move(test), files.missing_test, options);
  return data;
}

}  // namespace kaem
