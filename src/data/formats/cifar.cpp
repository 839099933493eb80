#include "data/formats/cifar.h"

#include "data/formats/pickle.h"
#include "kaem/core/error.h"
#include "kaem/core/str.h"

namespace kaem {
namespace {

constexpr int64_t kClasses = 10;

void check_label(int64_t label, size_t record, const std::string& name) {
  if (label < 0 || label >= kClasses)
    throw DataError(str(name, ": label ", label, " of record ", record, ", expected 0 to ", kClasses - 1));
}

/// A list of numbers or, as programs write that have converted the set, an array of integers.
std::vector<int64_t> labels_of(const PickledArrays& content, const std::string& name) {
  if (const auto list = content.lists.find("labels"); list != content.lists.end()) return list->second;
  const auto array = content.arrays.find("labels");
  if (array == content.arrays.end()) throw DataError(name + ": the pickled dict holds no list of numbers 'labels'");
  auto labels = integers_of(array->second);
  if (!labels)
    throw DataError(str(name, ": 'labels' is an array of type '", array->second.type, "', expected integers [N]"));
  return *std::move(labels);
}

}  // namespace

CifarBatch parse_cifar_binary(std::string_view file, const std::string& name) {
  if (file.empty() || file.size() % kCifarRecord != 0)
    throw DataError(str(name, ": ", file.size(), " bytes, which are no whole number of CIFAR-10 records of ",
                        kCifarRecord, " bytes"));
  CifarBatch batch;
  for (size_t at = 0; at < file.size(); at += kCifarRecord) {
    batch.labels.push_back(static_cast<uint8_t>(file[at]));
    check_label(batch.labels.back(), batch.pixels.size(), name);
    batch.pixels.push_back(file.substr(at + 1, kCifarPixels));
  }
  return batch;
}

CifarBatch parse_cifar_pickle(std::string_view file, const std::string& name) {
  const PickledArrays content = parse_pickle(file, name);
  const auto data = content.arrays.find("data");
  if (data == content.arrays.end()) throw DataError(name + ": the pickled dict holds no array 'data'");
  const std::vector<int64_t> labels = labels_of(content, name);
  const auto& shape = data->second.shape;
  const size_t count = labels.size();
  if (shape.size() != 2 || shape[1] != kCifarPixels || shape[0] != static_cast<int64_t>(count) || count == 0)
    throw DataError(str(name, ": 'data' is not an array of ", count, "x", kCifarPixels, " (", count, " labels)"));
  if (data->second.type != "u1")
    throw DataError(str(name, ": 'data' holds numbers of type '", data->second.type, "', expected 'u1'"));
  if (data->second.fortran_order) throw DataError(name + ": 'data' is stored column after column");
  if (data->second.bytes.size() != count * kCifarPixels)
    throw DataError(str(name, ": 'data' has ", data->second.bytes.size(), " bytes, expected ", count * kCifarPixels));
  CifarBatch batch;
  batch.owner = content.decoded;
  for (size_t i = 0; i < count; ++i) {
    check_label(labels[i], i, name);
    batch.labels.push_back(static_cast<uint8_t>(labels[i]));
    batch.pixels.push_back(data->second.bytes.substr(i * kCifarPixels, kCifarPixels));
  }
  return batch;
}

}  // namespace kaem
