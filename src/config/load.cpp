#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "config/draft.h"
#include "kaem/baseline/baselines.h"
#include "kaem/core/error.h"
#include "kaem/core/str.h"
#include "kaem/core/table.h"

namespace kaem {

namespace fs = std::filesystem;

std::string config::read_configuration(const std::string& path) {
  // A configuration is a few kilobytes; a picture given by mistake is not.
  constexpr size_t kLargestFile = size_t{1} << 20;
  std::error_code fault;
  if (fs::is_directory(path, fault)) throw ConfigError(path + ": is a folder, not a configuration file");
  std::ifstream file(path, std::ios::binary);
  if (!file) throw ConfigError(path + ": the configuration file cannot be read (is it there?)");
  if (fs::file_size(path, fault) > kLargestFile && !fault)
    throw ConfigError(path + ": too large for a configuration file");
  return {std::istreambuf_iterator<char>(file), {}};
}

namespace {

/// ./config, that of KAEM_CONFIG_DIR (a package in Python has its own), the config folder beside the program's (a build
/// folder in the source tree), and the installed one.
std::vector<fs::path> config_folders() {
  std::vector<fs::path> folders = {"config"};
  if (const char* named = std::getenv("KAEM_CONFIG_DIR"); named != nullptr && *named != '\0')
    folders.emplace_back(named);
  std::error_code fault;
  const fs::path program = fs::read_symlink("/proc/self/exe", fault);
  if (!fault) {
    const fs::path prefix = program.parent_path().parent_path();
    folders.insert(folders.end(), {prefix / "config", prefix / "share/kaem/config"});
  }
  return folders;
}

/// The first of these files in the first of the folders; empty if there is none, with the places in `looked`.
std::string first_file(const std::vector<std::string>& names, std::string& looked) {
  for (const auto& name : names)
    for (const auto& folder : config_folders()) {
      std::error_code fault;
      const std::string path = (folder / name).lexically_normal().string();
      if (fs::is_regular_file(path, fault)) return path;
      looked += " " + path;
    }
  return "";
}

}  // namespace

Override parse_override(const std::string& text) {
  const size_t equals = text.find('='), dot = text.find('.');
  if (equals == std::string::npos || dot == std::string::npos || dot == 0 || dot + 1 >= equals)
    throw UsageError(str("--set ", text, ": expected SECTION.key=value, such as TRAINING.batch_size=50"));
  const auto trimmed = [](std::string part) {
    part.erase(0, part.find_first_not_of(" \t"));
    part.erase(part.find_last_not_of(" \t") + 1);
    return part;
  };
  return {trimmed(text.substr(0, dot)), trimmed(text.substr(dot + 1, equals - dot - 1)),
          trimmed(text.substr(equals + 1))};
}

namespace {

/// A note where the file is that of other data sets, whose numbers of data and sizes need not fit this one; else empty.
std::string note_of_file(const std::string& path, const std::string& dataset) {
  const DatasetTraits own = dataset_traits(dataset);
  const std::string name = std::filesystem::path(path).filename().string();
  if (name == own.config || name == own.tuning) return "";
  std::string owners;
  for (const std::string& other : dataset_names())
    if (dataset_traits(other).config == name) owners += (owners.empty() ? "" : ", ") + other;
  return owners.empty() ? "" : str(path, " is the file of ", owners, "; that of ", own.name, " is ", own.config);
}

}  // namespace

Config load_config(const std::string& path, const std::vector<Override>& overrides, const std::string& dataset,
                   const std::string& mode) {
  Config config = parse_config(path.empty() ? "" : config::read_configuration(path), path, overrides, dataset, mode);
  if (std::string note = note_of_file(path, config.data.name); !note.empty()) config.notes.push_back(std::move(note));
  return config;
}

Config parse_config(const std::string& text, const std::string& name, const std::vector<Override>& overrides,
                    const std::string& dataset, const std::string& mode) {
  config::Draft draft;
  if (!text.empty() || !name.empty()) draft.read(text, name);
  for (const auto& o : overrides) {
    const std::string where = o.origin.empty() ? str("--set ", o.section, ".", o.key, "=", o.value) : o.origin;
    draft.set(o.section, o.key, o.value, where, false);
  }
  config::resolve(draft, dataset, mode);
  return std::move(draft.config);
}

std::string default_config_path(const std::string& dataset, const std::string& mode, bool search) {
  const DatasetTraits known = dataset_traits(config::known_dataset(dataset, str("--dataset ", dataset, ": ")));
  std::vector<std::string> names = {std::string(search && !known.tuning.empty() ? known.tuning : known.config)};
  if (find_baseline(mode) != nullptr) names = {str("baseline_", known.config), std::string(known.config)};
  std::string looked;
  if (const std::string path = first_file(names, looked); !path.empty()) return path;
  throw ConfigError(
      str("no configuration file for data set ", known.name, "; looked for:", looked, " (give one with --config)"));
}

std::string config_path(const std::string& name) {
  std::string looked;
  if (const std::string path = first_file({name}, looked); !path.empty()) return path;
  throw ConfigError(str("no configuration file ", name, "; looked for:", looked));
}

}  // namespace kaem
