#include "data/registry.h"

#include <cstdlib>
#include <filesystem>

#include "data/download.h"
#include "data/formats/idx.h"
#include "kaem/core/error.h"
#include "kaem/core/str.h"
#include "kaem/core/table.h"
#include "kaem/io/file.h"

namespace kaem {
namespace {

constexpr auto kSets = std::to_array<IdxSet>({
    {"MNIST",
     "handwritten digits, 60,000 + 10,000 grey images of 28x28, 10 classes",
     "mnist",
     {"mnist", "MNIST/raw", "MNIST", ""},
     {{{"train-images-idx3-ubyte", "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        "f68b3c2dcbeaaa9fbdd348bbdeb94873", "6bbc9ace898e44ae57da46a324031adb"},
       {"train-labels-idx1-ubyte", "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        "d53e105ee54ea40749a09fcbcd1e9432", "a25bea736e30d166cdddb491f175f624"},
       {"t10k-images-idx3-ubyte", "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        "9fb629c4189551a2d022fa330f9573f3", "2646ac647ad5339dbf082846283269ea"},
       {"t10k-labels-idx1-ubyte", "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        "ec29112dd5afa0611ce80d1b7f02629c", "27ae3e4e09519cfbb04c329615203637"}}},
     {"https://ossci-datasets.s3.amazonaws.com/mnist/", "https://storage.googleapis.com/cvdf-datasets/mnist/"}},
    {"FMNIST",
     "Fashion-MNIST, 60,000 + 10,000 grey images of 28x28, 10 classes",
     "fashion_mnist",
     {"fashion_mnist", "FashionMNIST/raw", "FashionMNIST", ""},
     {{{"train-images-idx3-ubyte", "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        "8d4fb7e6c68d591d4c3dfef9ec88bf0d", "f4a8712d7a061bf5bd6d2ca38dc4d50a"},
       {"train-labels-idx1-ubyte", "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        "25c81989df183df01b3e8a0aad5dffbe", "9018921c3c673c538a1fc5bad174d6f9"},
       {"t10k-images-idx3-ubyte", "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        "bef4ecab320f06d8554ea6380940ec79", "8181f5470baa50b63fa0f6fddb340f0a"},
       {"t10k-labels-idx1-ubyte", "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        "bb300cfdad3c16e7a12a480ee83cd310", "15d484375f8d13e6eb1aabb0c3f46965"}}},
     {"http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
      "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/"}},
});

constexpr auto kDarcy = std::to_array<std::pair<std::string_view, std::string_view>>(
    {{"DARCY_FLOW", "Darcy flow, solved here: pressure fields u of 32x32"},
     {"DARCY_PERM", "Darcy flow: the permeability fields a, as 0 and 1, of 32x32"}});

constexpr std::string_view kNotBuilt[] = {"CIFAR10",     "SVHN",     "CELEBA",     "PTB",   "SMS_SPAM",
                                          "CIFAR10PANG", "SVHNPANG", "CELEBAPANG", "FOLDER"};

constexpr size_t kTestImages = 2;

std::string join(const std::vector<std::string>& words, std::string_view between) {
  std::string text;
  for (const auto& word : words) text += (text.empty() ? "" : std::string(between)) + word;
  return text;
}

bool is_file(const std::string& path) {
  std::error_code error;
  return std::filesystem::is_regular_file(path, error);
}

std::string path_in(const std::string& root, std::string_view folder, const std::string& name) {
  return (std::filesystem::path(root.empty() ? "." : root) / folder / name).string();
}

std::vector<std::string> mirrors_of(const IdxSet& set) {
  // A site's own copy; naming it means that nothing else is asked for.
  if (const char* mirror = std::getenv("KAEM_DATA_MIRROR"); mirror != nullptr && *mirror != '\0') {
    const std::string base(mirror);
    return {base + (base.back() == '/' ? "" : "/")};
  }
  return {set.mirrors.begin(), set.mirrors.end()};
}

std::string download_name(const IdxSet& set, size_t index) { return std::string(set.files[index].name) + ".gz"; }

/// True if the file at `path` is what another set published under this name.
bool belongs_to_other(const IdxSet& set, size_t index, const std::string& path) {
  std::string md5;
  try {
    md5 = io::md5(io::read_file(path));
  } catch (const DataError&) {
    return false;  // reading it for good will say what is wrong
  }
  for (const auto& other : kSets)
    if (other.name != set.name && (md5 == other.files[index].md5 || md5 == other.files[index].raw_md5)) return true;
  return false;
}

/// Downloads one file; returns why it could not be had, or an empty string.
std::string download_file(const IdxSet& set, size_t index, const std::string& root, const DataProgress& progress) {
  const std::string name = download_name(set, index);
  std::vector<std::string> urls;
  for (const auto& mirror : mirrors_of(set)) urls.push_back(mirror + name);
  return download(urls, path_in(root, set.folder, name), std::string(set.files[index].sha256), progress);
}

std::string missing_message(const IdxSet& set, const std::vector<std::string>& names, const std::string& root,
                            const std::string& why) {
  return str(set.name, " is not complete in ", root, ": missing ", join(names, ", "), " (from ",
             join(mirrors_of(set), " or "), " into ", path_in(root, set.folder, ""), "): ", why);
}

std::string verify_file(const IdxSet& set, size_t index, const std::string& path) {
  const std::string file = io::read_file(path);
  const bool packed = io::is_gzip(file);
  parse_idx_header(packed ? io::gunzip(file, path) : file, index % 2 == 0 ? 3 : 1, path);
  // Another compression of the same content is as good, but only what was published has a published checksum.
  const std::string found = packed ? io::sha256(file) : io::md5(file);
  const std::string_view expected = packed ? set.files[index].sha256 : set.files[index].raw_md5;
  const std::string_view kind = packed ? "SHA-256 " : "MD5 ";
  if (found == expected) return str(path, ": as published (", kind, found, ")");
  return str(path, ": well formed, but not as published (", kind, found, ", published ", expected, ")");
}

}  // namespace

const IdxSet* find_idx_set(std::string_view name) {
  for (const auto& set : kSets)
    if (same_name(set.name, name)) return &set;
  return nullptr;
}

bool is_darcy(std::string_view name) {
  for (const auto& row : kDarcy)
    if (same_name(row.first, name)) return true;
  return false;
}

void refuse_dataset(std::string_view name) {
  for (const auto known : kNotBuilt)
    if (same_name(known, name))
      throw ConfigError(str("data set ", known, " is not built yet; now: ", join(dataset_names(), " ")));
  throw ConfigError(unknown_name_message("data set", name, dataset_names()));
}

std::string find_file(const IdxSet& set, size_t index, const std::string& root) {
  const std::string dashes(set.files[index].name);
  std::string dots = dashes;
  dots[dots.find("-idx")] = '.';  // the spelling of the original page
  for (const auto folder : set.folders)
    for (const auto& name : {dashes, dashes + ".gz", dots, dots + ".gz"}) {
      const std::string path = path_in(root, folder, name);
      if (is_file(path) && !(folder.empty() && belongs_to_other(set, index, path))) return path;
    }
  return "";
}

std::array<std::string, 4> locate_files(const IdxSet& set, const std::string& root, bool offline,
                                        const DataProgress& progress, std::string& missing_test) {
  std::array<std::string, 4> paths;
  std::vector<std::string> missing;
  const auto look = [&] {
    missing.clear();
    for (size_t i = 0; i < paths.size(); ++i)
      if ((paths[i] = find_file(set, i, root)).empty()) missing.push_back(download_name(set, i));
  };
  look();
  if (missing.empty()) return paths;
  std::string why = "--offline forbids the download";
  if (!offline) {
    why.clear();
    for (size_t i = 0; i < paths.size() && why.empty(); ++i)
      if (paths[i].empty()) why = download_file(set, i, root, progress);
    look();
  }
  if (missing.empty()) return paths;
  const std::string message = missing_message(set, missing, root, why);
  // Training can go on without the test files; the caller says so.
  if (paths[0].empty() || paths[1].empty() || !paths[kTestImages].empty()) throw DataError(message);
  missing_test = message;
  return paths;
}

std::vector<std::string> dataset_names() {
  std::vector<std::string> names = names_of(kSets);
  for (const auto& row : kDarcy) names.emplace_back(row.first);
  return names;
}

std::vector<DatasetInfo> list_datasets(const std::string& root) {
  std::vector<DatasetInfo> list;
  for (const auto& set : kSets) {
    DatasetInfo info{std::string(set.name),
                     std::string(set.description),
                     path_in(root, set.folder, ""),
                     {},
                     mirrors_of(set),
                     {},
                     true};
    for (size_t i = 0; i < set.files.size(); ++i) {
      info.files.push_back(download_name(set, i));
      info.found.push_back(find_file(set, i, root));
      info.complete = info.complete && !info.found.back().empty();
    }
    list.push_back(std::move(info));
  }
  for (const auto& [name, description] : kDarcy)
    list.push_back({std::string(name), std::string(description), "", {}, {}, {}, true});
  return list;
}

void fetch_dataset(const std::string& name, const std::string& root, const DataProgress& progress) {
  if (is_darcy(name)) return;
  const IdxSet* const set = find_idx_set(name);
  if (set == nullptr) refuse_dataset(name);
  std::string missing_test;
  locate_files(*set, root, false, progress, missing_test);
  if (!missing_test.empty()) throw DataError(missing_test);
}

std::vector<std::string> verify_dataset(const std::string& name, const std::string& root) {
  if (is_darcy(name)) return {name + ": solved here, no files to verify"};
  const IdxSet* const set = find_idx_set(name);
  if (set == nullptr) refuse_dataset(name);
  std::vector<std::string> lines, missing;
  for (size_t i = 0; i < set->files.size(); ++i) {
    const std::string path = find_file(*set, i, root);
    if (path.empty()) {
      missing.push_back(download_name(*set, i));
    } else {
      lines.push_back(verify_file(*set, i, path));
    }
  }
  if (!missing.empty()) throw DataError(missing_message(*set, missing, root, "fetch them first"));
  return lines;
}

}  // namespace kaem
