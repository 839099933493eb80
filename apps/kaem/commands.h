#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "kaem/config/config.h"
#include "kaem/core/number.h"
#include "kaem/data/options.h"

namespace kaem {
struct LoadedRun;
}

/// The program's commands: one file each; main.cpp joins them.
namespace kaem::app {

/// Options that every command takes. Numbers stay text until they are used, so that one message serves all of them.
struct Common {
  std::vector<std::string> set;
  std::string device, data_dir, out, name, resize, threads, seed, max_steps, budget, log_format = "text";
  bool overfit_batch = false, offline = false, deterministic = false, quiet = false, verbose = false, dry_run = false,
       memory = false;
  std::string command_line;  ///< as typed, for meta.json
};

/// A command after its options were declared.
struct Command {
  CLI::App* app = nullptr;
  std::function<void()> run;
  std::vector<std::string> uses;  ///< common options that have an effect here, without dashes
};

/// The commands in the order of `kaem --help`: ROW(name) is what add_name declares.
// clang-format off
#define KAEM_COMMANDS(ROW) \
  ROW(train)               \
  ROW(sample)              \
  ROW(evaluate)            \
  ROW(compare)             \
  ROW(report)              \
  ROW(diagnose)            \
  ROW(export)              \
  ROW(traverse)            \
  ROW(prior)               \
  ROW(plot)                \
  ROW(symbolic)            \
  ROW(prune)               \
  ROW(inspect)             \
  ROW(data)                \
  ROW(info)                \
  ROW(bench)               \
  ROW(jobs)                \
  ROW(tune)                \
  ROW(help)                \
  ROW(completion)
// clang-format on

#define KAEM_ROW(name) Command add_##name(CLI::App& program, const Common& common);
KAEM_COMMANDS(KAEM_ROW)
#undef KAEM_ROW

/// Declares the common options for a command; its help lists those of `uses`, the others are accepted and named as
/// without effect.
void add_common_options(CLI::App& command, Common& common, const std::vector<std::string>& uses);

/// The settings of --set alone.
std::vector<Override> settings_of(const Common& common);

/// `--set` and the options that stand for a configuration key.
/// `own_root`: the data's folder of a run that is gone on with. While it is there, it goes before KAEM_DATA_DIR, which
/// would quietly change the run's data; --data-dir goes before both.
std::vector<Override> overrides_of(const Common& common, const std::string& own_root = "");

/// The whole of `text` as an integer in min..max; UsageError "--option text: expected ...".
int64_t integer_of(const std::string& option, const std::string& text, int64_t min, int64_t max);

/// --seed, or `otherwise`.
uint64_t seed_of(const Common& common, uint64_t otherwise);

/// --data-dir, KAEM_DATA_DIR or "data".
std::string data_dir_of(const Common& common);

/// A run's own data, in the folder that this command line names.
DatasetOptions data_of(const LoadedRun& run, const Common& common);

/// Writes the same as was printed in another form (`what`: JSON, CSV), if a path was given, and says so.
void write_same(const std::string& path, const std::string& content, const char* what);

/// Sets what the log shows and how.
void prepare_log(const Common& common);

/// Threads, flushing of denormals, determinism for commands that compute without the trainer.
void prepare_threads(const Common& common);

/// Shows how far a download, the Darcy solver or decoding has come: in the status line, or by a line every five
/// seconds.
DataProgress show_progress();

/// Prints what a run would do: data set, shapes, layers with parameter counts, steps, memory. Touches nothing.
void print_plan(const Config& config, const std::string& source);

/// "40x21x81"; "scalar" for no dimensions.
std::string shape_text(std::span<const int64_t> sizes);

/// UsageError unless a file could be written at `path` that is none of a run's own (empty: none is wanted): found out
/// before the work, not after.
void check_target(const std::string& option, const std::string& path);

/// The same of several options (name, path), which must also name different files, however they are written.
void check_targets(const std::vector<std::pair<std::string, std::string>>& targets);

}  // namespace kaem::app
