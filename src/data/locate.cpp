#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "data/download.h"
#include "data/registry.h"
#include "kaem/core/error.h"
#include "kaem/core/str.h"
#include "kaem/io/file.h"

namespace kaem {
namespace {

/// True if `name` is `pattern`, in which one `*` may stand for any characters.
bool matches(std::string_view name, std::string_view pattern) {
  const size_t star = pattern.find('*');
  if (star == std::string_view::npos) return name == pattern;
  if (name.ends_with(".part")) return false;  // a download that was cut short
  const std::string_view head = pattern.substr(0, star), tail = pattern.substr(star + 1);
  return name.size() >= head.size() + tail.size() && name.starts_with(head) && name.ends_with(tail);
}

std::vector<std::string> matching_files(const std::string& folder, std::string_view pattern) {
  std::vector<std::string> paths;
  std::error_code error;
  if (pattern.find('*') == std::string_view::npos) {
    const auto path = std::filesystem::path(folder) / pattern;
    if (std::filesystem::is_regular_file(path, error)) paths.push_back(path.string());
    return paths;
  }
  for (std::filesystem::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    std::error_code unreadable;
    if (entry->is_regular_file(unreadable) && matches(entry->path().filename().string(), pattern))
      paths.push_back(entry->path().string());
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

/// True if the file at `path` is what another set published under this name.
bool belongs_to_other(const DataSet& set, const DataFile& file, const std::string& path) {
  std::string md5;
  for (const auto& other : all_data_sets())
    for (const auto& theirs : other.files) {
      if (other.folder == set.folder || theirs.names != file.names) continue;
      try {
        if (md5.empty()) md5 = io::md5(io::read_file(path));
      } catch (const DataError&) {
        return false;  // reading it for good will say what is wrong
      }
      if (md5 == theirs.md5 || md5 == theirs.raw_md5) return true;
    }
  return false;
}

/// True if what was found for training is a part of the published set under a name of its own: then its user has
/// chosen what there is, and no test file is fetched.
bool is_partial(const DataSet& set, const LocatedFiles& located) {
  for (size_t i = 0; i < set.files.size(); ++i) {
    const DataFile& file = set.files[i];
    if (!file.test && !file.optional && is_part(file, located.paths[i])) return true;
  }
  return false;
}

bool has_training(const DataSet& set, const LocatedFiles& located) {
  for (size_t i = 0; i < set.files.size(); ++i)
    if (!set.files[i].test && !set.files[i].optional && located.paths[i].empty()) return false;
  return true;
}

}  // namespace

std::string path_in(const std::string& root, std::string_view folder, const std::string& name) {
  return (std::filesystem::path(root.empty() ? "." : root) / folder / name).string();
}

std::vector<std::string> mirrors_of(const DataSet& set) {
  if (set.mirrors.empty()) return {};
  // A site's own copy; naming it means that nothing else is asked for.
  if (const char* mirror = std::getenv("KAEM_DATA_MIRROR"); mirror != nullptr && *mirror != '\0') {
    const std::string base(mirror);
    return {base + (base.back() == '/' ? "" : "/")};
  }
  return {set.mirrors.begin(), set.mirrors.end()};
}

std::string missing_message(const DataSet& set, const std::vector<std::string>& names, const std::string& root,
                            const std::string& why) {
  const std::string into = path_in(root, set.folder, "");
  // A download that failed names its mirrors itself.
  const bool tried = why.find("://") != std::string::npos || set.mirrors.empty();
  const std::string from = tried ? std::string(set.advice) : "from " + without_password(mirrors_of(set).front());
  const std::string more = names.size() > 2    ? str(" and ", names.size() - 1, " more")
                           : names.size() == 2 ? ", " + names.back()
                                               : "";
  return str(set.name, " in ", root, ": missing ", names.front(), more, " (", from, from.empty() ? "" : " ", "into ",
             into, "): ", why);
}

bool is_part(const DataFile& file, const std::vector<std::string>& paths) {
  if (paths.empty()) return false;
  const std::string name = std::filesystem::path(paths.front()).filename().string();
  const bool exact = std::find(file.names.begin(), file.names.end(), name) != file.names.end();
  return !exact && (file.pieces == 0 || paths.size() < file.pieces);
}

std::string download_file(const DataSet& set, size_t index, const std::string& root, const DataProgress& progress) {
  const DataFile& file = set.files[index];
  std::vector<std::string> urls;
  for (const auto& mirror : mirrors_of(set)) urls.push_back(mirror + std::string(file.download));
  if (urls.empty()) return "no mirror offers it";
  return download(urls, path_in(root, set.folder, std::string(file.download)),
                  {std::string(file.sha256), std::string(file.md5)}, progress);
}

std::vector<std::string> find_files(const DataSet& set, size_t index, const std::string& root) {
  const DataFile& file = set.files[index];
  std::vector<std::string> part;
  // The root may also be the set's own folder: "MNIST/raw" is then "raw" below it.
  std::error_code error;
  const auto full = std::filesystem::absolute(root.empty() ? "." : root, error).lexically_normal();
  const std::string own = (full.has_filename() ? full : full.parent_path()).filename().string();
  std::vector<std::string_view> folders = set.folders;
  for (const auto folder : set.folders)
    if (folder.starts_with(own + "/")) folders.push_back(folder.substr(own.size() + 1));
  for (const auto folder : folders)
    for (const auto name : file.names) {
      std::vector<std::string> paths = matching_files(path_in(root, folder, ""), name);
      if (folder.empty())
        std::erase_if(paths, [&](const std::string& path) { return belongs_to_other(set, file, path); });
      if (!paths.empty() && !is_part(file, paths)) return paths;
      if (part.empty()) part = std::move(paths);
    }
  return part;
}

LocatedFiles locate_files(const DataSet& set, const std::string& root, bool offline, const DataProgress& progress) {
  LocatedFiles located;
  located.paths.resize(set.files.size());
  std::vector<std::string> missing;
  const auto look = [&] {
    missing.clear();
    for (size_t i = 0; i < set.files.size(); ++i) {
      located.paths[i] = find_files(set, i, root);
      const std::string name(set.files[i].download);
      if (located.paths[i].empty() && !set.files[i].optional &&
          std::find(missing.begin(), missing.end(), name) == missing.end())
        missing.push_back(name);
    }
  };
  look();
  if (missing.empty() || (set.any_test_file && has_training(set, located) && !located.paths.back().empty()))
    return located;
  std::string why = "--offline forbids the download";
  if (is_partial(set, located)) {
    why = "the training file at hand is a part of the set, so nothing is downloaded";
  } else if (!offline || set.mirrors.empty()) {
    why.clear();
    for (size_t i = 0; i < set.files.size() && why.empty(); ++i)
      if (!set.files[i].optional && find_files(set, i, root).empty()) why = download_file(set, i, root, progress);
    look();
  }
  if (missing.empty()) return located;
  const std::string message = missing_message(set, missing, root, why);
  // Training can go on without the test files; the caller says so.
  bool test_file = false;
  for (size_t i = 0; i < set.files.size(); ++i)
    test_file = test_file || (set.files[i].test && !located.paths[i].empty());
  if (!has_training(set, located) || (test_file && !set.any_test_file)) throw DataError(message);
  if (!test_file) located.missing_test = message;
  return located;
}

}  // namespace kaem
