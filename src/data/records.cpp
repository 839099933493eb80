#include "data/records.h"

#include <algorithm>

#include "data/loaders.h"
#include "kaem/core/error.h"
#include "kaem/core/str.h"
#include "kaem/io/file.h"

namespace kaem {
namespace {

/// The first `count` records in memory of their own.
Records first_records(const Records& records, int64_t count) {
  if (count == records.images.size(0)) return records;
  return {records.images.narrow(0, 0, count).clone(), records.labels.narrow(0, 0, count).clone()};
}

}  // namespace

std::string read_source(const std::string& path, Dataset& data) {
  std::string file = io::read_file(path);
  data.sources.emplace_back(path, io::sha256(file));
  return file;
}

int64_t taken(int64_t available, int64_t count, const char* what, const char* key, Dataset& data) {
  if (count > available)
    data.notes.push_back(
        str(data.name, ": ", available, " ", what, " images found, ", count, " asked for (", key, "): all are used"));
  return std::min(count, available);
}

int64_t split_off(int64_t available, int64_t count, const std::string& missing_test, Dataset& data) {
  if (count >= available)
    throw DataError(str(data.name, ": there are no test files, and ", available, " training images cannot give ", count,
                        " test images (N_test)"));
  data.test_from_training = true;
  if (count == 0) return available;
  data.notes.push_back(
      str(data.name, ": no test files, so the last ", count, " training images are the test set (", missing_test, ")"));
  return available - count;
}

void set_images(Dataset& data, Records train, std::optional<Records> test, const std::string& missing_test,
                const DatasetOptions& options) {
  if (!test) {
    const int64_t available = train.images.size(0), count = options.test_size;
    const int64_t rest = split_off(available, count, missing_test, data);
    test = {train.images.narrow(0, rest, count).clone(), train.labels.narrow(0, rest, count).clone()};
    train = {train.images.narrow(0, 0, rest), train.labels.narrow(0, 0, rest)};
  }
  train = first_records(train, taken(train.images.size(0), options.train_size, "training", "N_train", data));
  test = first_records(*test, taken(test->images.size(0), options.test_size, "test", "N_test", data));
  data.train_labels = train.labels, data.test_labels = test->labels;
  data.dequantize = options.dequantize, data.flip = options.random_flip;
  const bool resized = !options.resize.empty() && options.resize != train.images.sizes().slice(2).vec();
  if (resized && data.dequantize)
    data.notes.push_back(data.name + ": images are resized, so dequantize adds its noise to averages of bytes");
  data.train = resized ? resize_images(train.images, options.resize) : train.images;
  data.test = resized ? resize_images(test->images, options.resize) : test->images;
  data.shape = {data.train.size(1), data.train.size(2), data.train.size(3)};
}

}  // namespace kaem
