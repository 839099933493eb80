#pragma once

#include <array>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "kaem/data/dataset.h"

/// The table of all data sets: what each is, how its files are called, where they may lie and come from.
namespace kaem {

/// A file (or, where a name is a pattern, several) that a data set is read from.
struct DataFile {
  std::string_view download;               ///< name at the mirrors; also what is said to be missing
  std::vector<std::string_view> names;     ///< names that it may have, tried in turn; `*` stands for any characters
  bool test = false;                       ///< of the test set: the last training records can serve instead
  std::string_view sha256 = {}, md5 = {};  ///< of the download, as published; empty where there is none
  std::string_view raw_md5 = {};           ///< of the unpacked file
  size_t pieces = 0;      ///< files of a pattern in `names` that are the whole; 0: one found by a pattern is a part
  bool optional = false;  ///< used where it is there, never downloaded or missed
};

struct DataSet;
using LoadData = Dataset (*)(const DataSet&, const DatasetOptions&);
/// Checks the (unpacked) content of file `index` of a set by its own header; DataError names `path`.
using CheckData = void (*)(std::string_view content, size_t index, const std::string& path);

/// Decodes all pictures of a set; see verify_folder.
using VerifyPictures = void (*)(const std::string& path, const std::function<void(const std::string& line)>& add);

struct DataSet : DatasetTraits {
  std::string_view description;
  std::string_view folder;                ///< below the root, where downloads go
  std::vector<std::string_view> folders;  ///< where files may lie, in this order; empty: the root itself
  std::vector<DataFile> files;            ///< none for data that need no files of a fixed name
  std::vector<std::string_view> mirrors;  ///< base URLs, tried in turn
  std::string_view advice;                ///< where the files come from if no mirror has them
  std::array<int64_t, 3> shape{};         ///< channels, height, width as loaded; zeros where that depends
  bool any_test_file = false;             ///< one test file is enough, the last best; else all of them are needed
  LoadData load = nullptr;
  CheckData check = nullptr;
  VerifyPictures verify = nullptr;  ///< of pictures: of the root or of the file found
};

/// All sets, in the order in which they are listed.
const std::vector<DataSet>& all_data_sets();

/// The set of that name (case ignored); ConfigError if there is none.
const DataSet& find_data_set(std::string_view name);

/// Paths of file `index` of the set below `root`, sorted; none where it is absent. A whole file goes before a part of
/// it. A file in the root itself whose checksum says that it belongs to another set is passed over (MNIST and FMNIST
/// have the same file names).
std::vector<std::string> find_files(const DataSet& set, size_t index, const std::string& root);

/// True if `paths`, found for the file, are only a part of what was published.
bool is_part(const DataFile& file, const std::vector<std::string>& paths);

/// Downloads file `index` into the set's folder; returns why it could not be had, or an empty string.
std::string download_file(const DataSet& set, size_t index, const std::string& root, const DataProgress& progress);

struct LocatedFiles {
  std::vector<std::vector<std::string>> paths;  ///< of each file of the set
  std::string missing_test;                     ///< why there are no test files; empty if there are
  const std::string& one(size_t index) const { return paths[index].front(); }
};

/// Finds all files of a set, after downloading those that are missing unless `offline`. DataError: which files, from
/// where, into which folder, and why not; files of the test set may be absent after all.
LocatedFiles locate_files(const DataSet& set, const std::string& root, bool offline, const DataProgress& progress);

/// Base URLs that the files of a set are downloaded from: KAEM_DATA_MIRROR alone where it is set.
std::vector<std::string> mirrors_of(const DataSet& set);

/// The path of `name` in a folder below `root`.
std::string path_in(const std::string& root, std::string_view folder, const std::string& name);

/// What to tell the user about files that are missing: which, from where, into which folder, and why they are not had.
std::string missing_message(const DataSet& set, const std::vector<std::string>& names, const std::string& root,
                            const std::string& why);

}  // namespace kaem
