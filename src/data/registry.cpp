#include "data/registry.h"

#include <filesystem>
#include <optional>

#include "kaem/core/error.h"
#include "kaem/core/str.h"
#include "kaem/core/table.h"
#include "kaem/io/file.h"

namespace kaem {
namespace {

constexpr size_t kMostFiles = 32;  // that get a line each: more are pictures

/// Content of `file`, checked by its own header and against what was published.
std::string verify_file(const DataSet& set, size_t index, const std::string& path) {
  const DataFile& published = set.files[index];
  const std::string file = io::read_file(path);
  const bool packed = io::is_gzip(file);
  if (set.check != nullptr) set.check(packed ? io::gunzip(file, path) : file, index, path);
  // Another compression of the same content is as good, but only what was published has a published checksum.
  const bool as_sent = std::filesystem::path(path).filename() == published.download;
  const std::string_view sha256 = as_sent ? published.sha256 : "", md5 = as_sent ? published.md5 : published.raw_md5;
  const bool by_sha256 = !sha256.empty();
  const std::string_view expected = by_sha256 ? sha256 : md5, kind = by_sha256 ? "SHA-256 " : "MD5 ";
  const std::string found = by_sha256 ? io::sha256(file) : io::md5(file);
  const char* const state = set.check != nullptr ? ": well formed" : ": readable";
  if (expected.empty()) return str(path, state, "; no checksum of it is published (", kind, found, ")");
  if (found == expected) return str(path, ": as published (", kind, found, ")");
  return str(path, state, ", but not as published (", kind, found, ", published ", expected, ")");
}

std::string no_files(const DataSet& set) { return str(set.name, ": ", set.advice); }

}  // namespace

DatasetTraits dataset_traits(std::string_view name) { return find_data_set(name); }

std::vector<std::string> dataset_names() { return names_of(all_data_sets()); }

std::vector<DatasetInfo> list_datasets(const std::string& root) {
  std::vector<DatasetInfo> list;
  for (const auto& set : all_data_sets()) {
    DatasetInfo info;
    info.name = set.name, info.description = set.description, info.shape = set.shape;
    info.urls = mirrors_of(set);
    bool any = false;
    if (!set.files.empty()) info.folder = path_in(root, set.folder, "");
    info.complete = info.trainable = true;
    for (size_t i = 0; i < set.files.size(); ++i) {
      const auto paths = find_files(set, i, root);
      info.files.emplace_back(set.files[i].download);
      info.found.push_back(paths.empty() ? "" : paths.front());
      const DataFile& file = set.files[i];
      info.complete = info.complete && (file.optional || !paths.empty());
      info.trainable = info.trainable && (file.optional || file.test || !paths.empty());
      any = any || !paths.empty();
    }
    info.state = set.files.empty() ? set.advice : info.complete ? "found" : any ? "in part" : "absent";
    list.push_back(std::move(info));
  }
  return list;
}

void fetch_dataset(const std::string& name, const std::string& root, const DataProgress& progress) {
  const DataSet& set = find_data_set(name);
  if (set.files.empty()) return;
  for (size_t i = 0; i < set.files.size(); ++i) {
    const DataFile& file = set.files[i];
    const auto paths = find_files(set, i, root);
    if (file.optional || (!paths.empty() && !is_part(file, paths))) continue;
    if (const std::string why = download_file(set, i, root, progress); !why.empty())
      throw DataError(missing_message(set, {std::string(file.download)}, root, why));
  }
}

std::vector<std::string> verify_dataset(const std::string& name, const std::string& root,
                                        const std::function<void(const std::string& line)>& report) {
  const DataSet& set = find_data_set(name);
  std::vector<std::string> lines, missing;
  bool trainable = true;
  std::optional<DataError> fault;
  const auto add = [&](const std::string& line) {
    lines.push_back(line);
    if (report) report(line);
  };
  if (set.files.empty() && set.verify != nullptr) set.verify(root, add);
  if (set.files.empty() && set.verify == nullptr) add(no_files(set) + ", no files to verify");
  for (size_t i = 0; i < set.files.size(); ++i) {
    const auto paths = find_files(set, i, root);
    if (paths.empty() && !set.files[i].optional) {
      missing.emplace_back(set.files[i].download);
      trainable = trainable && set.files[i].test;
    }
    if (!paths.empty() && set.verify != nullptr) try {
        set.verify(paths.front(), add);
      } catch (const DataError& error) {
        if (!fault) fault = error;
      }
    if (paths.size() > kMostFiles) {
      add(str(std::filesystem::path(paths.front()).parent_path().string(), ": ", paths.size(),
              " files; no checksums of single ones are published"));
      continue;
    }
    for (const auto& path : paths) try {
        add(verify_file(set, i, path));
      } catch (const DataError& error) {
        if (!fault) fault = error;  // the other files are looked at all the same
      }
  }
  if (fault) throw DataError(*fault);
  if (set.any_test_file && trainable)  // the loader takes what there is
    for (const auto& name_of_file : missing) add(name_of_file + ": not there; training does without it");
  else if (!missing.empty())
    throw DataError(missing_message(set, missing, root, "fetch them first"));
  return lines;
}

}  // namespace kaem
