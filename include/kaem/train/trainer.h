#pragma once

#include <string>
#include <vector>

#include "kaem/config/config.h"
#include "kaem/data/dataset.h"
#include "kaem/data/pca.h"
#include "kaem/model/model.h"
#include "kaem/train/run.h"

namespace kaem {

/// What a run ended with.
struct Report {
  int64_t steps = 0;   ///< updates in all, those before a resume included
  double loss = 0;     ///< mean over the updates since the last row of metrics.csv but one
  double seconds = 0;  ///< training time in all
  std::string folder;
  std::string samples;  ///< the last file of samples; empty if it could not be written
};

struct TrainOptions {
  std::string resume;                ///< run folder (or "last") to go on with; empty: a new run
  std::string command_line;          ///< for meta.json
  const Dataset* dataset = nullptr;  ///< used instead of the one that the configuration names
};

/// One run from configuration to checkpoint: data, model, loop. docs/architecture.md. Prints the notes of the
/// configuration and of the data. Sets LibTorch's thread count, the flushing of denormal numbers and the keeping of
/// freed memory, and leaves them so. Error if the loss or the gradient stops being finite, or if the folder cannot be
/// written; Interrupted after SIGINT or SIGTERM, once the step is finished and its checkpoint written.
Report train(const Config& config, const TrainOptions& options = {});

/// Model and data scale of a run's newest whole checkpoint, on the device asked for; EMA weights where kept.
struct LoadedRun {
  Config config;
  Model model{nullptr};
  int64_t step = 0;
  double scale_min = 0, scale_max = 1;  ///< as in Dataset
  std::string folder, device;
  std::vector<std::string> vocabulary;  ///< of text, else empty
  std::shared_ptr<const Pca> pca;       ///< of a run on principal components, else null

  /// What the model made as pictures on the CPU: [n,C,H,W], reconstructed where it made coordinates.
  at::Tensor to_images(const at::Tensor& made) const;
};
LoadedRun load_run(const std::string& path_or_last, const std::string& device = "auto");

/// The device that `name` (auto | cpu | cuda | cuda:N) means here: "cpu" or "cuda:N"; opens the CUDA libraries if it is
/// one. UsageError if it is not there.
std::string resolve_device(const std::string& name);

}  // namespace kaem
