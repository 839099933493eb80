#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "kaem/config/config.h"
#include "kaem/io/safetensors.h"

namespace kaem {

/// A checkpoint on disk: step_N.safetensors and its step_N.json. docs/file-formats.md.
struct Checkpoint {
  int64_t step = 0, epoch = 0;
  double seconds = 0;                         ///< training time up to here
  std::string config_hash;                    ///< of the configuration that wrote it
  std::string config;                         ///< that configuration as INI; empty: written by an older version
  std::map<std::string, std::string> files;   ///< SHA-256 of the run's other files that its numbers depend on
  std::string path;                           ///< of the .safetensors
  std::map<std::string, at::Tensor> tensors;  ///< model.* ema.* optimizer.* posterior.* data.*
};

/// Where, on what and with which command a run is made, for meta.json.
struct RunMeta {
  std::string command_line;
  std::string device = "cpu";
  int64_t threads = 1;
  std::vector<std::pair<std::string, std::string>> sources;  ///< data files and their SHA-256
  int64_t processes = 1;                                     ///< that train the model together
};

/// The folder of one run, runs/DATASET/mode/NAME. docs/file-formats.md.
class RunFolder {
 public:
  /// Makes a new folder with config.ini and meta.json. NAME is config.run.name, or the time (with a suffix if that is
  /// taken). UsageError if a name that was given exists; Error if the folder cannot be made or written.
  static RunFolder create(const Config& config, const RunMeta& meta = {});
  /// Opens an existing one: a path, "last" (the newest below `runs`) or "DIR/last" (below DIR); of any of these with
  /// "/best" behind it the best checkpoint is meant instead of the newest. UsageError if it is not a run.
  static RunFolder open(const std::string& path_or_last, const std::string& runs = "runs");

  /// Makes a folder at `path` for a run that is made of another's update `step`: meta.json, which says so, metrics.csv
  /// and the kept files of `from`. It is a run once `finish` has written its config.ini: after its checkpoint. Error if
  /// it cannot be made or written.
  static RunFolder derive(const RunFolder& from, const std::string& path, int64_t step,
                          const std::string& command_line);
  void finish(const Config& config) const;

  const std::string& path() const { return path_; }
  bool is_best() const { return best_; }  ///< opened as RUN/best
  std::string file(const std::string& name) const { return path_ + "/" + name; }
  /// The configuration that the run's newest whole checkpoint was written with; before the first one that of
  /// config.ini.
  Config config() const;
  /// The configuration that a checkpoint of the run was written with.
  Config config_of(const Checkpoint& checkpoint) const;
  /// Writes config.ini, if the configuration is another one than it holds; the old file is kept under a name with the
  /// number of updates that it was used for.
  void write_config(const Config& config, int64_t step);
  /// The content of a file that a checkpoint depends on (vocabulary.txt, pca.safetensors); DataError if it is not the
  /// one that the checkpoint was written with.
  std::string read_kept_file(const std::string& name, const Checkpoint& checkpoint) const;

  /// Removes temporary files that a killed program has left; the folder must be locked.
  void sweep() const;

  /// Notes in meta.json that the run goes on from `step`; warns if the data files are others than before.
  void add_session(int64_t step, const RunMeta& meta);

  /// Writes tensors, then the JSON that makes the checkpoint exist; then removes those older than the newest `keep`,
  /// but for that of update `best`. If anything fails (Error: disk full, ...), the older ones are all still there.
  void save_checkpoint(const Checkpoint& checkpoint, const io::NamedTensors& tensors, int64_t keep,
                       int64_t best = -1) const;
  /// Removes checkpoints up to `newest` but for the `keep` last of them and that of update `best`: what save_checkpoint
  /// does at its end, and a program that was killed there has left undone.
  void remove_surplus(int64_t newest, int64_t keep, int64_t best = -1) const;
  /// The newest whole checkpoint, or the best ([TRAINING] keep_best) of a run that was opened so; older ones are tried
  /// if it is truncated or altered (each refused one is reported with log::warn). DataError if there is none; Error
  /// with exit status 2 if one was written in a newer format.
  Checkpoint load_checkpoint() const;
  /// That of one update; DataError if it is not there, truncated or altered.
  Checkpoint load_checkpoint(int64_t step) const;
  /// Steps of all checkpoints that have their JSON, ascending.
  std::vector<int64_t> checkpoint_steps() const;
  /// Path of a checkpoint's tensors.
  std::string checkpoint_path(int64_t step) const;

 private:
  explicit RunFolder(std::string path, bool best = false) : path_(std::move(path)), best_(best) {}
  Checkpoint load_newest() const;

  std::string path_;
  bool best_ = false;
};

/// True if data with these `sources` (paths and SHA-256) are those that the run in `folder` was trained on, as far as
/// its meta.json says.
bool has_trained_on(const std::string& folder, const std::vector<std::pair<std::string, std::string>>& sources);

/// Files of a run's principal components and of its words, where it has them (kaem/data/pca.h, kaem/data/text.h).
inline constexpr const char* kPcaFile = "pca.safetensors";
inline constexpr const char* kVocabularyFile = "vocabulary.txt";
inline constexpr const char* kMetricsFile = "metrics.csv";
/// What TensorBoard reads: it looks for names with "tfevents".
inline constexpr const char* kEventsFile = "events.tfevents";
inline constexpr const char* kProfileFile = "profile.json";
/// Tensor of a checkpoint, with the measure's column behind it: the best value so far, and the update that it is of.
inline constexpr const char* kBestTensor = "data.best.";

/// What a run keeps of its configuration: not where a session stops, and folders that hold wherever it is used from.
Config kept_config(const Config& config);

/// True for the name of one folder that can be told from options and from `last`: what runs and searches are called.
bool is_run_name(std::string_view name);
inline constexpr const char* kRunNameExpected = "expected a plain folder name (no '/', not 'last')";

/// The local time as a folder's name, YYYY-MM-DD_hh-mm-ss.
std::string time_name();

/// SHA-256 of what decides the numbers of a run: the configuration without names, paths, lengths of stay and output
/// options.
std::string config_hash(const Config& config);

}  // namespace kaem
