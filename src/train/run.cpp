#include "kaem/train/run.h"

#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>

#include "kaem/core/duration.h"
#include "kaem/core/error.h"
#include "kaem/core/log.h"
#include "kaem/core/str.h"
#include "kaem/io/file.h"
#include "meta.h"

namespace kaem {
namespace fs = std::filesystem;
namespace {

[[noreturn]] void throw_cannot_make(const fs::path& path, const std::error_code& error) {
  throw Error(str("cannot make the run folder ", path.string(), ": ", error.message(), "; --out names another place"));
}

/// Makes `parent/name` if it is not there; false if it is.
bool make_folder(const fs::path& path) {
  std::error_code error;
  const bool made = fs::create_directory(path, error);
  if (error) throw_cannot_make(path, error);
  return made;
}

/// True for what is left of a program that was killed while it made a run's folder: no configuration, no checkpoint.
bool is_unborn(const fs::path& path) {
  std::error_code ignored;
  if (!fs::is_directory(path, ignored)) return false;
  for (const auto& entry : fs::directory_iterator(path, ignored)) {
    const std::string name = entry.path().filename().string();
    const bool empty_folder = (name == "checkpoints" || name == "samples") && fs::is_empty(entry.path(), ignored);
    if (!empty_folder && name != "meta.json" && !io::is_temporary_name(name)) return false;
  }
  return true;
}

/// A new folder below `parent`, named by the configuration or the time.
fs::path make_run_folder(const fs::path& parent, const std::string& name) {
  if (!name.empty()) {
    if (!is_run_name(name)) throw UsageError(str("--name '", name, "': ", kRunNameExpected));
    if (!make_folder(parent / name) && !is_unborn(parent / name))
      throw UsageError(
          str("the run ", (parent / name).string(), " exists: choose another --name, or go on with it by --resume"));
    return parent / name;
  }
  const std::string stamp = time_name();
  for (int64_t n = 1;; ++n) {
    const auto path = parent / (n == 1 ? stamp : str(stamp, "-", n));
    if (make_folder(path)) return path;
  }
}

constexpr const char* kConfigFile = "config.ini";
constexpr std::string_view kSignature = "; sha256 of the lines above: ";

/// Text with a last line that shows whether it is whole.
std::string signed_text(const std::string& text) { return str(text, "\n", kSignature, io::sha256(text + "\n"), "\n"); }

/// The text of a run's config.ini, checked by its last line; older versions wrote none (`may_lack`).
std::string read_config(const std::string& path, bool may_lack) {
  std::string text = io::read_file(path);
  const size_t at = text.rfind(kSignature);
  const auto refuse = [&](const char* what) {
    throw DataError(str(path, ": ", what, "; other values for a run are given by --set at its --resume"));
  };
  if (!text.starts_with("; kaem config ")) refuse("empty, cut or no configuration of a run");
  if (at == std::string::npos) {
    if (!may_lack || text.back() != '\n') refuse("cut: its last line with the SHA-256 is missing");
    return text;
  }
  const std::string body = text.substr(0, at), sum = text.substr(at + kSignature.size());
  if (sum != io::sha256(body) + "\n") refuse("damaged or edited: its SHA-256 is not that of its last line");
  return body;
}

bool is_run(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path / "config.ini", ignored);
}

/// When a run was last written to: the newest of meta.json and its checkpoints.
fs::file_time_type last_written(const fs::path& run) {
  std::error_code ignored;
  auto newest = fs::last_write_time(run / "config.ini", ignored);
  const auto look = [&](const fs::path& file) {
    const auto time = fs::last_write_time(file, ignored);
    if (!ignored && time > newest) newest = time;
  };
  look(run / "meta.json");
  for (const auto& entry : fs::directory_iterator(run / "checkpoints", ignored))
    if (entry.path().extension() == ".json") look(entry.path());
  return newest;
}

/// The newest run below `runs`, at any depth up to DATASET/mode/NAME.
std::string newest_run(const std::string& runs) {
  std::optional<std::pair<fs::file_time_type, std::string>> newest;
  std::error_code ignored;
  for (auto it = fs::recursive_directory_iterator(runs, fs::directory_options::skip_permission_denied, ignored);
       it != fs::recursive_directory_iterator(); it.increment(ignored)) {
    if (it.depth() >= 2) it.disable_recursion_pending();
    if (!is_run(it->path())) continue;
    it.disable_recursion_pending();
    std::pair found{last_written(it->path()), it->path().string()};
    if (!newest || found > *newest) newest = found;
  }
  if (!newest)
    throw UsageError(str("'last': there is no run below ", runs,
                         " yet: kaem train makes one; those of another --out DIR are DIR/last"));
  return newest->second;
}

}  // namespace

bool is_run_name(std::string_view name) {
  return !name.empty() && name.find('/') == std::string_view::npos && name != "." && name != ".." && name != "last" &&
         name.front() != '-';
}

std::string time_name() { return local_time("%Y-%m-%d_%H-%M-%S"); }

namespace {

/// Whether an INI file and a JSON file give the text back as it is.
bool can_keep(const std::string& text) {
  try {
    (void)nlohmann::json(text).dump();  // refuses bytes that are no UTF-8
    return parse_config(str("[DATA]\nroot = ", text, "\n"), kConfigFile, {}, "DARCY_FLOW").data.root == text;
  } catch (const std::exception&) {
    return false;
  }
}

/// Before the work: paths may be anything, and become longer where they are made absolute.
void check_paths(const Config& kept) {
  for (const auto& path : {kept.data.root, kept.data.darcy_file, kept.model.generator.perceptual_features}) {
    if (path.empty() || can_keep(path)) continue;
    constexpr size_t kShown = 80;
    throw UsageError(str("config.ini cannot keep the path ", path.substr(0, kShown), path.size() > kShown ? "..." : "",
                         ": expected at most 160 bytes of UTF-8 without comment marks; a link will do"));
  }
}

}  // namespace

RunFolder RunFolder::create(const Config& config, const RunMeta& meta) {
  check_paths(kept_config(config));
  const fs::path parent = fs::path(config.run.out) / config.run.dataset / config.run.mode;
  std::error_code error;
  fs::create_directories(parent, error);
  if (error) throw_cannot_make(parent, error);
  RunFolder folder(make_run_folder(parent, config.run.name).string());
  make_folder(folder.file("checkpoints"));
  make_folder(folder.file("samples"));
  io::write_file_atomic(folder.file("meta.json"), first_session_json(config, meta));
  folder.finish(config);
  return folder;
}

RunFolder RunFolder::derive(const RunFolder& from, const std::string& path, int64_t step,
                            const std::string& command_line) {
  const fs::path parent = fs::path(path).parent_path();
  std::error_code error;
  if (!parent.empty()) fs::create_directories(parent, error);
  if (error) throw_cannot_make(parent, error);
  RunFolder folder(path);
  for (const auto& made : {path, folder.file("checkpoints"), folder.file("samples")}) make_folder(made);
  const std::string meta = from.file("meta.json"), before = fs::exists(meta) ? io::read_json(meta) : "";
  io::write_file_atomic(folder.file("meta.json"), derived_json(before, meta, from.path(), step, command_line));
  for (const char* name : {kVocabularyFile, kPcaFile, kMetricsFile})
    if (fs::exists(from.file(name))) io::write_file_atomic(folder.file(name), io::read_file(from.file(name)));
  return folder;
}

void RunFolder::finish(const Config& config) const {  // last: config.ini makes the run
  io::write_file_atomic(file(kConfigFile), signed_text(to_ini(kept_config(config))));
}

RunFolder RunFolder::open(const std::string& path_or_last, const std::string& runs) {
  std::string path = path_or_last;
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  // No run is called last, and none best.
  const bool best = fs::path(path).filename() == "best" && !is_run(path);
  if (best) path = fs::path(path).parent_path().string();
  if (path == "last") path = newest_run(runs);
  if (fs::path(path).filename() == "last") path = newest_run(fs::path(path).parent_path().string());
  if (!fs::exists(path))
    throw UsageError("there is no run " + path + " (a run is a folder runs/DATASET/mode/NAME, or last, or OUT/last)");
  if (is_unborn(path))
    throw UsageError(
        path + " is a run that was ended before its first line was written: give its command again, without --resume");
  if (!is_run(path)) throw UsageError(path + " is not a run folder: it holds no config.ini");
  return RunFolder(path, best);
}

Config RunFolder::config() const {
  if (checkpoint_steps().empty())
    return parse_config(read_config(file(kConfigFile), /*may_lack=*/true), file(kConfigFile));
  return config_of(load_checkpoint());
}

Config RunFolder::config_of(const Checkpoint& checkpoint) const {
  const std::string text = read_config(file(kConfigFile), /*may_lack=*/checkpoint.config.empty());
  return checkpoint.config.empty() ? parse_config(text, file(kConfigFile))
                                   : parse_config(checkpoint.config, checkpoint.path + "'s configuration");
}

void RunFolder::write_config(const Config& config, int64_t step) {
  const std::string path = file(kConfigFile), text = signed_text(to_ini(kept_config(config)));
  const std::string before = io::read_file(path);
  if (before == text) return;
  io::write_file_atomic(file(str("config_until_", step, ".ini")), before);
  io::write_file_atomic(path, text);
}

std::string RunFolder::read_kept_file(const std::string& name, const Checkpoint& checkpoint) const {
  std::string content = io::read_file(file(name));
  const auto known = checkpoint.files.find(name);
  if (known != checkpoint.files.end() && io::sha256(content) != known->second)
    throw DataError(file(name) + ": not the file that the run was trained with (its SHA-256 is not that in " +
                    fs::path(checkpoint.path).replace_extension(".json").string() + ")");
  return content;
}

Config kept_config(const Config& config) {
  Config kept = config;
  kept.run.max_steps = 0;  // where this session stops is no property of the run: --resume goes on to N_epochs
  for (std::string* path : {&kept.data.root, &kept.data.darcy_file, &kept.model.generator.perceptual_features})
    if (!path->empty()) *path = fs::absolute(*path).lexically_normal().string();
  return kept;
}

void RunFolder::sweep() const {
  for (const auto& folder : {path_, file("checkpoints"), file("samples")}) io::sweep_temporaries(folder);
}

void RunFolder::add_session(int64_t step, const RunMeta& meta) {
  const std::string path = file("meta.json");
  const std::string before = fs::exists(path) ? io::read_json(path) : "";
  if (is_newly_derived(before))
    log::warn(path_ +
              " was made by kaem prune or kaem symbolic: training moves its whole prior, also energies that are 0");
  io::write_file_atomic(path, next_session_json(before, path, step, meta));
}

bool has_trained_on(const std::string& folder, const std::vector<std::pair<std::string, std::string>>& sources) {
  const fs::path path = fs::path(folder) / "meta.json";
  return !fs::exists(path) || names_data(io::read_file(path.string()), sources);
}

std::string config_hash(const Config& config) {
  Config c = kept_config(config);
  const RunOptions defaults;
  c.run.name = defaults.name, c.run.out = defaults.out, c.run.device = defaults.device;
  c.run.threads = defaults.threads, c.run.max_steps = defaults.max_steps, c.run.budget = defaults.budget;
  c.run.checkpoint_epochs = defaults.checkpoint_epochs, c.run.checkpoint_steps = defaults.checkpoint_steps;
  c.run.keep_checkpoints = defaults.keep_checkpoints, c.run.sample_epochs = defaults.sample_epochs;
  c.run.eval_epochs = defaults.eval_epochs, c.run.eval_metrics = defaults.eval_metrics;
  c.run.eval_generated = defaults.eval_generated, c.run.keep_best = defaults.keep_best,
  c.run.tensorboard = defaults.tensorboard;
  c.run.quiet = defaults.quiet, c.run.verbose = defaults.verbose, c.run.log_format = defaults.log_format;
  c.data.root = DatasetOptions().root, c.data.offline = false;
  return io::sha256(to_ini(c));
}

}  // namespace kaem
