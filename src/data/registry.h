#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "kaem/data/dataset.h"

/// What is known about the data sets that are read from files, and where their files are.
namespace kaem {

struct PublishedFile {
  std::string_view name;     ///< as published, without .gz
  std::string_view sha256;   ///< of the .gz
  std::string_view md5;      ///< of the .gz, as published by torchvision
  std::string_view raw_md5;  ///< of the unpacked file
};

/// A data set of four IDX files.
struct IdxSet {
  std::string_view name, description;
  std::string_view folder;                  ///< below the root, where downloads go
  std::array<std::string_view, 4> folders;  ///< where else files may lie; empty: the root itself
  std::array<PublishedFile, 4> files;       ///< training images and labels, test images and labels
  std::array<std::string_view, 2> mirrors;  ///< base URLs, tried in turn
};

/// The set of that name (case ignored), or null.
const IdxSet* find_idx_set(std::string_view name);

/// True for DARCY_FLOW and DARCY_PERM (case ignored).
bool is_darcy(std::string_view name);

/// Throws the ConfigError for a name that make_dataset does not serve.
[[noreturn]] void refuse_dataset(std::string_view name);

/// The path of file `index` of the set below `root`, or an empty string. A file in the root itself whose checksum says
/// that it belongs to the other set is passed over (MNIST and FMNIST have the same file names).
std::string find_file(const IdxSet& set, size_t index, const std::string& root);

/// Paths of all four files, after downloading those that are missing unless `offline`. Test images may be absent after
/// all (an empty path): then `missing_test` says why. DataError: which files, from where, into which folder, and why
/// not.
std::array<std::string, 4> locate_files(const IdxSet& set, const std::string& root, bool offline,
                                        const DataProgress& progress, std::string& missing_test);

}  // namespace kaem
