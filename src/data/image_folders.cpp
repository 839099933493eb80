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
constexpr std::string_view kPartition[] = {"list_eval_partition.txt", "list_eval_partition.csv"};
enum Split { kTrain = 0, kValid = 1, kTest = 2 };

std::unique_ptr<ImageSource> open_folder(const std::string& folder) {
  std::error_code error;
  if (!fs::is_directory(folder, error))
    throw DataError(str("FOLDER: there is no folder ", folder, " (--data-dir names it)"));
  return open_image_folder(folder);
}

/// CelebA's pictures: those of an archive, or of the folder that holds the one found.
std::unique_ptr<ImageSource> open_found(const fs::path& found) {
  if (found.extension() == ".zip") return open_image_archive(found.string());
  return open_image_folder(found.parent_path().string());
}

constexpr size_t kLookedAt = 256;

/// Sizes of pictures that are looked at to choose one for all: their headers alone.
std::vector<io::ImageSize> some_sizes(ImageSource& source, std::string& reason) {
  std::vector<io::ImageSize> sizes;
  const size_t count = source.names().size(), looked_at = std::min(count, kLookedAt);
  for (size_t i = 0; i < looked_at; ++i) {
    const size_t image = i * count / looked_at;
    try {
      sizes.push_back(io::image_size(source.read(image), source.path() + "/" + source.names()[image]));
    } catch (const DataError& error) {
      if (reason.empty()) reason = error.what();
    }
  }
  return sizes;
}

/// The power of two that is nearest to `side` by their ratio.
int64_t nearest_power(int64_t side) {
  int64_t power = 1;
  while (2 * power * power <= side * side) power *= 2;
  return power;
}

/// See folder_shape. `resize`: height and width that the user asks for, or none.
std::array<int64_t, 3> choose_shape(ImageSource& source, const std::vector<int64_t>& resize,
                                    std::vector<std::string>* notes) {
  constexpr int64_t kMostSide = 64;
  std::string reason;
  const auto sizes = some_sizes(source, reason);
  if (sizes.empty())
    throw DataError(str(reason, "; none of ", std::min(source.names().size(), kLookedAt), " pictures, of ",
                        source.names().size(), ", can be read (kaem data verify tells of each)"));
  int64_t channels = 1;
  bool same = true;
  std::vector<int64_t> sides;
  for (const auto& size : sizes) {
    channels = std::max(channels, size.channels);
    same = same && size.height == sizes[0].height && size.width == sizes[0].width;
    sides.push_back(std::min(size.height, size.width));
  }
  if (!resize.empty()) {
    const auto fits = [&](const auto& size) { return size.height * resize[1] == size.width * resize[0]; };
    if (notes != nullptr && !std::all_of(sizes.begin(), sizes.end(), fits))
      notes->push_back(str("FOLDER: pictures are cut to the proportions of ", resize[0], "x", resize[1]));
    return {channels, resize[0], resize[1]};
  }
  if (same && std::max(sizes[0].height, sizes[0].width) <= kMostSide)
    return {channels, sizes[0].height, sizes[0].width};
  std::nth_element(sides.begin(), sides.begin() + std::ssize(sides) / 2, sides.end());
  const int64_t median = sides[sides.size() / 2], side = std::min(nearest_power(median), kMostSide);
  if (notes != nullptr)
    notes->push_back(str("FOLDER: pictures ",
                         same ? str("of ", sizes[0].height, "x", sizes[0].width) : "of several sizes",
                         ", the shorter side ", median, " pixels in the median, are cut and resized to ", side, "x",
                         side, " ([DATA] resize chooses another size)"));
  return {channels, side, side};
}

/// The order of the records: those that may be trained on, then those of the test set.
struct Order {
  std::vector<size_t> train, test;
};

/// The part that each file name belongs to, from lines "NAME PART" or, under a line of titles, "NAME,PART" of the first
/// list found in `folders`; empty without.
std::map<std::string, int, std::less<>> read_partition(const std::vector<fs::path>& folders, Dataset& data) {
  std::map<std::string, int, std::less<>> parts;
  for (const auto& folder : folders)
    for (const auto file : kPartition) {
      const std::string path = (folder / file).string();
      std::error_code error;
      if (!fs::is_regular_file(path, error)) continue;
      std::string content(without_byte_order_mark(read_source(path, data)));
      std::replace(content.begin(), content.end(), ',', ' ');
      std::istringstream lines(content);
      std::string name, part;
      for (int64_t line = 1; lines >> name >> part; ++line) {
        if (line == 1 && name == "image_id") continue;
        if (part.size() != 1 || part[0] < '0' || part[0] > '2')
          throw DataError(str(path, ":", line, ": expected a name and 0, 1 or 2, found '", name, " ", part, "'"));
        parts[name] = part[0] - '0';
      }
      return parts;
    }
  return parts;
}

/// Where a list of CelebA's parts may lie, beside the pictures found or above them.
std::vector<fs::path> list_folders(const fs::path& found) {
  const fs::path home = found.parent_path(), above = home.parent_path();
  return {home, above, above.parent_path()};
}

/// The images by the partition, if there is one and it names test images; else all, the last `test_size` for the test.
Order order_of(const ImageSource& source, const std::map<std::string, int, std::less<>>& parts, int64_t test_size,
               Dataset& data) {
  Order order;
  int64_t unlisted = 0;
  for (size_t i = 0; i < source.names().size(); ++i) {
    const auto found = parts.find(fs::path(source.names()[i]).filename().string());
    const int part = found == parts.end() ? kTrain : found->second;
    unlisted += found == parts.end() ? 1 : 0;
    if (part == kTrain) order.train.push_back(i);
    if (part == kTest) order.test.push_back(i);
  }
  if (unlisted > 0 && !parts.empty())
    data.notes.push_back(str(data.name, ": pictures that the list of parts does not name are trained on: ", unlisted));
  if (const int64_t absent = std::ssize(parts) - (std::ssize(source.names()) - unlisted); absent > 0)
    data.notes.push_back(str(data.name, ": pictures that the list of parts names and that are not there: ", absent));
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

/// All of FOLDER's pictures: those of the test set are drawn, so that it is no class of its own where classes are
/// folders; by their names alone, so that every run draws the same.
Order draw_test_set(const ImageSource& source, int64_t asked, Dataset& data) {
  const auto& names = source.names();
  const auto count = std::ssize(names);
  const int64_t test_size = folder_test_size(count, asked);
  if (test_size < asked)
    data.notes.push_back(str(data.name, ": ", count, " pictures; of the ", asked, " test pictures asked for (N_test) ",
                             test_size, " are taken"));
  std::vector<std::pair<std::string, size_t>> drawn;
  for (size_t i = 0; i < names.size(); ++i) drawn.emplace_back(io::sha256("kaem test set\n" + names[i]), i);
  std::sort(drawn.begin(), drawn.end());
  Order order;
  for (int64_t i = 0; i < count; ++i)
    (i < test_size ? order.test : order.train).push_back(drawn[static_cast<size_t>(i)].second);
  std::sort(order.train.begin(), order.train.end());
  std::sort(order.test.begin(), order.test.end());
  data.test_from_training = true;
  if (test_size > 0)
    data.notes.push_back(
        str(data.name, ": ", test_size, " of ", count, " pictures, drawn by their names, are the test set"));
  return order;
}

/// Removes the pictures of the store's rows from the order.
void leave_out(Order& order, const std::vector<int64_t>& rows) {
  const int64_t available = std::ssize(order.train);
  for (auto row = rows.rbegin(); row != rows.rend(); ++row) {
    auto& part = *row < available ? order.train : order.test;
    part.erase(part.begin() + (*row < available ? *row : *row - available));
  }
}

/// Makes the store of the order's pictures and decodes those that are used: pictures that cannot be read end the run
/// here, or are left out of the order.
std::shared_ptr<ImageStore> make_store(Dataset& data, const std::shared_ptr<ImageSource>& source, Order& order,
                                       const ImageRecipe& recipe, const DatasetOptions& options) {
  std::string reason;
  size_t left_out = 0;
  while (true) {
    std::vector<size_t> rows = order.train;
    rows.insert(rows.end(), order.test.begin(), order.test.end());
    const size_t notes = data.notes.size();
    const auto store = std::make_shared<ImageStore>(source, std::move(rows), recipe, data.notes);
    const int64_t train = std::min(std::ssize(order.train), options.train_size);
    const int64_t test = std::min(std::ssize(order.test), options.test_size);
    auto damaged = store->find_damaged(0, train, reason, options.progress);
    const auto more = store->find_damaged(std::ssize(order.train), test, reason, options.progress);
    damaged.insert(damaged.end(), more.begin(), more.end());
    if (!damaged.empty() && options.damaged != "skip")
      throw DataError(str(reason, "; ", damaged.size(), " of ", train + test,
                          " pictures cannot be read ([DATA] damaged = skip leaves them out)"));
    left_out += damaged.size();
    if (left_out > 0 && damaged.empty())
      data.notes.push_back(
          str(data.name, ": pictures left out as they cannot be read: ", left_out, ", the first: ", reason));
    if (damaged.empty()) return store;
    data.notes.resize(notes);
    leave_out(order, damaged);
    if (order.train.empty()) throw DataError(str(source->path(), ": no picture can be read, such as ", reason));
  }
}

/// Sets up `data` on records that are decoded, kept in a file and read from it as they are asked for.
void set_pictures(Dataset& data, const std::shared_ptr<ImageSource>& source, Order order, const ImageRecipe& recipe,
                  const DatasetOptions& options) {
  data.sources.emplace_back(source->path(), io::sha256(source->identity()));
  if (source->unknown() > 0)
    data.notes.push_back(
        str(data.name,
            ": left out, as no file or of a kind that is not read here (.tif, .webp, ...): ", source->unknown()));
  if (source->left_out() > 0)
    data.notes.push_back(
        str(data.name,
            ": files left out as no data, with names that begin with a dot or in __MACOSX: ", source->left_out()));
  const auto store = make_store(data, source, order, recipe, options);
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
  const std::shared_ptr<ImageSource> source = open_found(found);
  auto folders = list_folders(found);
  folders.emplace_back(options.root);
  const auto parts = read_partition(folders, data);
  const Order order = order_of(*source, parts, options.test_size, data);
  ImageRecipe recipe{{3, kCelebaSide, kCelebaSide}, kCelebaCrop};
  if (!options.resize.empty()) recipe.shape = {3, options.resize[0], options.resize[1]};
  set_pictures(data, source, order, recipe, options);
  return data;
}

std::array<int64_t, 3> folder_shape(const std::string& folder, std::vector<std::string>* notes) {
  return choose_shape(*open_folder(folder), {}, notes);
}

int64_t folder_pictures(const std::string& folder) { return std::ssize(open_folder(folder)->names()); }

int64_t folder_test_size(int64_t pictures, int64_t asked) { return 2 * asked <= pictures ? asked : pictures / 5; }

Dataset load_folder(const DataSet& set, const DatasetOptions& options) {
  Dataset data;
  data.name = set.name;
  const std::shared_ptr<ImageSource> source = open_folder(options.root);
  const Order order = draw_test_set(*source, options.test_size, data);
  const ImageRecipe recipe{.shape = choose_shape(*source, options.resize, &data.notes)};
  set_pictures(data, source, order, recipe, options);
  return data;
}

void verify_pictures(ImageSource& source, int64_t smallest, const std::function<void(const std::string&)>& add) {
  std::string first;
  int64_t damaged = 0;
  for (size_t i = 0; i < source.names().size(); ++i) {
    const std::string path = source.path() + "/" + source.names()[i];
    try {
      const io::Pixels pixels = io::decode_image(source.read(i), 0, path);
      if (std::min(pixels.height, pixels.width) < smallest)
        throw DataError(str(path, ": an image of ", pixels.width, "x", pixels.height, " pixels, expected at least ",
                            smallest, "x", smallest));
    } catch (const DataError& error) {
      if (damaged++ == 0) first = error.what();
      add(error.what());
    }
  }
  const std::string hidden = str(
      source.left_out() > 0 ? str(" (hidden files left out: ", source.left_out(), ")") : "",
      source.unknown() > 0 ? str(" (no files, or of kinds that are not read, left out: ", source.unknown(), ")") : "");
  if (damaged > 0)
    throw DataError(str(source.path(), ": ", damaged, " of ", source.names().size(), " pictures cannot be read", hidden,
                        ", the first: ", first));
  add(str(source.path(), ": ", source.names().size(), " pictures, all of them readable", hidden));
}

void verify_folder(const std::string& root, const std::function<void(const std::string&)>& add) {
  verify_pictures(*open_folder(root), 1, add);
}

void verify_celeba(const std::string& path, const std::function<void(const std::string&)>& add) {
  Dataset data;
  read_partition(list_folders(path), data);
  for (const auto& [list, digest] : data.sources) add(str(list, ": a list of parts, readable, SHA-256 ", digest));
  verify_pictures(*open_found(path), kCelebaCrop, add);
}

}  // namespace kaem
