#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "kaem/config/config.h"
#include "kaem/io/safetensors.h"

namespace kaem {

/// A checkpoint on disk: step_N.safetensors and its step_N.json. docs/file-formats.md.
struct Checkpoint {
  int64_t step = 0, epoch = 0;
  std::string path;                              ///< of the .safetensors
  std::map<std::string, at::Tensor> tensors;     ///< model.* ema.* optimizer.* data.*
};

/// The folder of one run, runs/DATASET/mode/NAME.
class RunFolder {
 public:
  /// Makes a new folder (Error if it exists or cannot be written) with config.ini and meta.json.
  static RunFolder create(const Config& config, const std::string& command_line);
  /// Opens an existing one: a path, or "last" (the newest below `runs`). UsageError if it is not a run.
  static RunFolder open(const std::string& path_or_last, const std::string& runs = "runs");

  const std::string& path() const { return path_; }
  /// The resolved configuration of the run.
  Config config() const;

  /// Writes tensors, then the JSON that makes the checkpoint exist; removes those beyond `keep`.
  void save_checkpoint(int64_t step, int64_t epoch, const io::NamedTensors& tensors, int64_t keep);
  /// The newest whole checkpoint; older ones are tried if it is truncated or altered (each refused one is reported with
  /// log::warn). Error if there is none.
  Checkpoint load_checkpoint() const;
  /// Steps of all checkpoints that have their JSON, ascending.
  std::vector<int64_t> checkpoint_steps() const;

 private:
  explicit RunFolder(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

}  // namespace kaem
