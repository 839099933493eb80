#include <ATen/ops/arange.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <numeric>

#include "data/image_store.h"
#include "data/loaders.h"
#include "data/records.h"
#include "data/registry.h"
#include "kaem/core/error.h"
#include "kaem/core/str.h"
#include "kaem/data/folder.h"
#include "kaem/io/decode.h"
#include "kaem/io/file.h"

namespace kaem {
namespace {

namespace fs = std::filesystem;
constexpr int64_t kCelebaCrop = 140, kCelebaSide = 64;
constexpr std::string_view kPartition = "list_eval_partition.txt";
enum Part { kTrain = 0, kValid = 1, kTest = 2 };

std::unique_ptr<ImageSource> open_folder(const std::string& folder) {
  std::error_code error;
  if (!fs::is_directory(folder, error))
    throw DataError(str("FOLDER: there is no folder ", folder, " (--data-dir names it)"));
  return open_image_folder(folder);
}

std::array<int64_t, 3> shape_of_first(ImageSource& source) {
  const io::Pixels first = io::decode_image(source.read(0), 0, source.path() + "/" + source.names()[0]);
  return {first.channels, first.height, first.width};
}

/// The order of the records: those that may be trained on, then those of the test set.
struct Order {
  std::vector<size_t> train, test;
};

/// The part that each file name belongs to, from lines "NAME PART" of the first list found in `folders`; empty without.
std::map<std::string, int, std::less<>> read_partition(const std::vector<fs::path>& folders, Dataset& data) {
  std::map<std::string, int, std::less<>> parts;
  for (const auto& folder : folders) {
    const std::string path = (folder / kPartition).string();
    std::error_code error;
    if (!fs::is_regular_file(path, error)) continue;
    std::istringstream lines(read_source(path, data));
    std::string name, part;
    for (int64_t line = 1; lines >> name >> part; ++line) {
      if (part.size() != 1 || part[0] < '0' || part[0] > '2')
        throw DataError(str(path, ":", line, ": want a name and 0, 1 or 2, found '", name, " ", part, "'"));
      parts[name] = part[0] - '0';
    }
    return parts;
  }
  return parts;
}

/// The images by the partition, if there is one and it names test images; else all, the last `test_size` for the test.
Order order_of(const ImageSource& source, const std::map<std::string, int, std::less<>>& parts, int64_t test_size,
               Dataset& data) {
  Order order;
  for (size_t i = 0; i < source.names().size(); ++i) {
    const auto found = parts.find(fs::path(source.names()[i]).filename().string());
    const int part = found == parts.end() ? kTrain : found->second;
    if (part == kTrain) order.train.push_back(i);
    if (part == kTest) order.test.push_back(i);
  }
  if (!order.test.empty() && !order.train.empty()) return order;
  order.train.resize(source.names().size()), order.test.clear();
  std::iota(order.train.begin(), order.train.end(), size_t{0});
  const int64_t rest =
      split_off(std::ssize(order.train), test_size,
                parts.empty() ? source.path() + " has no list of its parts" : "the partition names none of them", data);
  order.test.assign(order.train.begin() + rest, order.train.end());
  order.train.resize(static_cast<size_t>(rest));
  return order;
}

/// Sets up `data` on records that are decoded as they are asked for; the test records are decoded at once.
void set_lazy_images(Dataset& data, std::unique_ptr<ImageSource> source, const Order& order, const ImageRecipe& recipe,
                     const DatasetOptions& options) {
  data.sources.emplace_back(source->path(), io::sha256(source->identity()));
  std::vector<size_t> rows = order.train;
  rows.insert(rows.end(), order.test.begin(), order.test.end());
  const auto store = std::make_shared<ImageStore>(std::move(source), std::move(rows), recipe, data.notes);
  const int64_t available = std::ssize(order.train);
  const int64_t train = taken(available, options.train_size, "training", "N_train", data);
  const int64_t test = taken(std::ssize(order.test), options.test_size, "test", "N_test", data);
  store->prepare(at::arange(available, available + test));
  data.shape = recipe.shape;
  data.train = store->images().narrow(0, 0, train);
  data.test = store->images().narrow(0, available, test).clone();
  data.prepare_rows = [store](const at::Tensor& index) { store->prepare(index); };
  data.dequantize = options.dequantize, data.flip = options.random_flip;
}

}  // namespace

Dataset load_celeba(const DataSet& set, const DatasetOptions& options) {
  Dataset data;
  data.name = set.name;
  const LocatedFiles files = locate_files(set, options.root, options.offline, options.progress);
  const fs::path found = files.one(0);
  const bool archive = found.extension() == ".zip";
  auto source = archive ? open_image_archive(found.string()) : open_image_folder(found.parent_path().string());
  const fs::path home = found.parent_path();
  const auto parts = read_partition({home, home.parent_path(), fs::path(options.root)}, data);
  const Order order = order_of(*source, parts, options.test_size, data);
  ImageRecipe recipe{{3, kCelebaSide, kCelebaSide}, kCelebaCrop, {}};
  if (!options.resize.empty()) recipe.shape = {3, options.resize[0], options.resize[1]};
  set_lazy_images(data, std::move(source), order, recipe, options);
  return data;
}

std::array<int64_t, 3> first_image_shape(const std::string& folder) { return shape_of_first(*open_folder(folder)); }

Dataset load_folder(const DataSet& set, const DatasetOptions& options) {
  Dataset data;
  data.name = set.name;
  auto source = open_folder(options.root);
  const Order order = order_of(*source, {}, options.test_size, data);
  const auto first = shape_of_first(*source);
  ImageRecipe recipe{first, 0, {first[1], first[2]}};
  if (!options.resize.empty()) recipe.shape = {first[0], options.resize[0], options.resize[1]};
  set_lazy_images(data, std::move(source), order, recipe, options);
  return data;
}

}  // namespace kaem
