#include <ATen/Context.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <limits>

#include "commands.h"
#include "kaem/core/denormals.h"
#include "kaem/core/error.h"
#include "kaem/core/log.h"
#include "kaem/core/memory.h"
#include "kaem/core/str.h"
#include "kaem/core/table.h"
#include "kaem/core/threads.h"
#include "kaem/io/file.h"
#include "kaem/train/run.h"
#include "kaem/train/trainer.h"

namespace kaem::app {

void add_common_options(CLI::App& command, Common& c, const std::vector<std::string>& uses) {
  const auto group = [&](CLI::Option* option) {
    const std::string name = option->get_lnames().front();
    const bool used = std::find(uses.begin(), uses.end(), name) != uses.end();
    return option->group(used ? "Common options" : "");  // without a group help does not list it
  };
  const auto text = [&](const char* name, std::string& value, const char* takes, const char* help) {
    group(command.add_option(name, value, help)->type_name(takes));
  };
  const auto flag = [&](const char* name, bool& value, const char* help) {
    group(command.add_flag(name, value, help));
  };
  group(command.add_option("--set", c.set, "Set a key of the configuration (repeatable); kaem help KEY explains one")
            ->type_name("SECTION.key=value")
            ->allow_extra_args(false));
  text("--device", c.device, "auto|cpu|cuda|cuda:N", "Where to compute");
  text("--threads", c.threads, "N", "CPU threads (0 or none given: the physical cores that this process may use)");
  text("--seed", c.seed, "N", "The seed that decides everything");
  text("--data-dir", c.data_dir, "DIR", "Folder of the data sets (else KAEM_DATA_DIR, else ./data)");
  const bool trains = std::find(uses.begin(), uses.end(), "max-steps") != uses.end();
  text("--out", c.out, "PATH", trains ? "Folder of all runs (else runs)" : "The file to write; of plot the folder");
  text("--max-steps", c.max_steps, "N", "Stop after so many updates");
  text("--budget", c.budget, "TIME", "Train for so long (90s, 10m, 1h30m): sets the updates that fit");
  text("--name", c.name, "NAME", "Name of the run (else the time)");
  text("--resize", c.resize, "HxW", "Resize images");
  flag("--overfit-batch", c.overfit_batch, "Train on the first batch only");
  group(command.add_option("--log", c.log_format, "Format of messages")->check(CLI::IsMember({"text", "json"})));
  flag("--offline", c.offline, "Never download");
  flag("--deterministic", c.deterministic, "Refuse kernels whose results depend on the order of execution");
  flag("--quiet", c.quiet, "Only warnings and errors");
  flag("--verbose", c.verbose, "More messages");
  flag("--memory", c.memory, "Print the peak memory at the end");
  flag("--dry-run", c.dry_run,
       "Check the configuration, print the plan; write and download nothing, decode no pictures");
}

std::vector<Override> settings_of(const Common& c) {
  std::vector<Override> list;
  for (const auto& text : c.set) list.push_back(parse_override(text));
  return list;
}

std::vector<Override> overrides_of(const Common& c, const std::string& own_root) {
  std::vector<Override> list = settings_of(c);
  const auto add = [&](const char* section, const char* key, const std::string& value, const std::string& origin) {
    if (!value.empty()) list.push_back({section, key, value, origin});
  };
  const auto given = [&](std::string_view section, std::string_view key) {
    return std::any_of(list.begin(), list.end(),
                       [&](const Override& o) { return same_name(o.section, section) && o.key == key; });
  };
  add("TRAINING", "device", c.device, "--device " + c.device);
  add("TRAINING", "threads", c.threads, "--threads " + c.threads);
  add("TRAINING", "seed", c.seed, "--seed " + c.seed);
  add("TRAINING", "max_steps", c.max_steps, "--max-steps " + c.max_steps);
  add("TRAINING", "budget", c.budget, "--budget " + c.budget);
  add("DATA", "resize", c.resize, "--resize " + c.resize);
  if (c.overfit_batch) add("TRAINING", "overfit_batch", "true", "--overfit-batch");
  if (c.deterministic) add("TRAINING", "deterministic", "true", "--deterministic");
  if (c.verbose) add("TRAINING", "verbose", "true", "--verbose");
  if (!c.data_dir.empty())
    add("DATA", "root", c.data_dir, "--data-dir " + c.data_dir);
  else if (const char* root = std::getenv("KAEM_DATA_DIR");
           root != nullptr && !given("DATA", "root") && !std::filesystem::exists(own_root))
    add("DATA", "root", root, str("KAEM_DATA_DIR=", root));
  return list;
}

int64_t integer_of(const std::string& option, const std::string& text, int64_t min, int64_t max) {
  int64_t value = 0;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (fault != std::errc() || end != text.data() + text.size() || value < min || value > max) {
    const bool open = max == std::numeric_limits<int64_t>::max();
    throw UsageError(
        str(option, " ", text, ": expected an integer ", open ? str("of at least ", min) : str("in ", min, "..", max)));
  }
  return value;
}

uint64_t seed_of(const Common& c, uint64_t otherwise) {
  if (c.seed.empty()) return otherwise;
  uint64_t seed = 0;
  const auto [end, fault] = std::from_chars(c.seed.data(), c.seed.data() + c.seed.size(), seed);
  if (fault != std::errc() || end != c.seed.data() + c.seed.size())
    throw UsageError(str("--seed ", c.seed, ": expected an integer in 0..", std::numeric_limits<uint64_t>::max()));
  return seed;
}

std::string data_dir_of(const Common& c) {
  if (!c.data_dir.empty()) return c.data_dir;
  const char* root = std::getenv("KAEM_DATA_DIR");
  return root != nullptr && *root != '\0' ? root : "data";
}

DatasetOptions data_of(const LoadedRun& run, const Common& common) {
  DatasetOptions options = run.config.data;
  if (!common.data_dir.empty() || !std::filesystem::exists(options.root)) options.root = data_dir_of(common);
  options.offline = options.offline || common.offline;
  options.progress = show_progress();
  return options;
}

void write_same(const std::string& path, const std::string& content, const char* what) {
  if (path.empty()) return;
  io::write_file_atomic(path, content);
  std::cout << path << ": the same as " << what << "\n";
}

void prepare_log(const Common& c) {
  log::set_level(c.quiet ? log::Level::kWarn : c.verbose ? log::Level::kDebug : log::Level::kInfo);
  log::set_format(c.log_format == "json" ? log::Format::kJson : log::Format::kText);
}

void prepare_threads(const Common& c) {
  set_threads(c.threads.empty() ? 0 : integer_of("--threads", c.threads, 0, 4096));
  flush_denormals();
  keep_freed_memory();
  at::globalContext().setDeterministicAlgorithms(c.deterministic, false);
}

DataProgress show_progress() {
  using Clock = std::chrono::steady_clock;
  static constexpr auto kInterval = std::chrono::seconds(5);
  return [told = Clock::now()](const std::string& what, int64_t done, int64_t total) mutable {
    if (total > 0 && done >= total) return log::set_status_line("");
    std::string text = str(what, ": ", grouped(done));
    if (total > 0) text += str(" of ", grouped(total), " (", 100 * done / total, "%)");
    if (log::shows_status()) return log::set_status_line(text);
    if (Clock::now() - told < kInterval) return;  // a pipe or a file: a line now and then
    told = Clock::now();
    log::info(text, {{"done", done}, {"total", total}});
  };
}

std::string shape_text(std::span<const int64_t> sizes) {
  std::string text;
  for (const int64_t size : sizes) text += str(text.empty() ? "" : "x", size);
  return text.empty() ? "scalar" : text;
}

void check_target(const std::string& option, const std::string& path) {
  if (path.empty()) return;
  const std::filesystem::path parent = std::filesystem::path(path).parent_path();
  std::error_code ignored;
  if (!parent.empty() && !std::filesystem::is_directory(parent, ignored))
    throw UsageError(str(option, " ", path, ": there is no folder ", parent.string()));
  if (std::filesystem::is_directory(path, ignored)) throw UsageError(str(option, " ", path, ": is a folder"));
  const bool in_run =
      std::filesystem::exists(parent / "config.ini", ignored) && std::filesystem::exists(parent / "meta.json", ignored);
  const std::filesystem::path name = std::filesystem::path(path).filename();
  const bool own = name == "config.ini" || name == "meta.json" || name == "log.txt" || name == kMetricsFile ||
                   name == kPcaFile || name == kVocabularyFile;
  if ((in_run && own) || parent.filename() == "checkpoints")
    throw UsageError(str(option, " ", path, ": is a file of a run, which would not be one any more"));
}

void check_targets(const std::vector<std::pair<std::string, std::string>>& targets) {
  const auto whole = [](const std::string& path) {
    std::error_code ignored;
    const auto absolute = std::filesystem::absolute(path), found = std::filesystem::weakly_canonical(absolute, ignored);
    return found.empty() ? absolute.lexically_normal() : found;  // empty: a folder on the way cannot be read
  };
  for (size_t i = 0; i < targets.size(); ++i) {
    const auto& [option, path] = targets[i];
    check_target(option, path);
    for (size_t k = 0; k < i && !path.empty(); ++k)
      if (!targets[k].second.empty() && whole(targets[k].second) == whole(path))
        throw UsageError(str(targets[k].first, " and ", option, " name the same file"));
  }
}

}  // namespace kaem::app
