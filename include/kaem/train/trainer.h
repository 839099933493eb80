#pragma once

#include <string>

#include "kaem/config/config.h"
#include "kaem/data/dataset.h"
#include "kaem/train/run.h"

namespace kaem {

/// What a run ended with.
struct Report {
  int64_t steps = 0;
  double loss = 0, seconds = 0;
  std::string folder;
};

struct TrainOptions {
  std::string resume;        ///< run folder to go on with; empty: a new run
  std::string command_line;  ///< for meta.json
};

/// One run from configuration to checkpoint: data, model, loop. docs/architecture.md.
Report train(const Config& config, const TrainOptions& options = {});

/// Model, EMA and data scale of a run's newest whole checkpoint, on the device asked for; EMA weights where kept.
struct LoadedRun {
  Config config;
  Model model{nullptr};
  int64_t step = 0;
};
LoadedRun load_run(const std::string& path_or_last, const std::string& device = "auto");

/// The device that `name` (auto | cpu | cuda | cuda:N) means here; opens the CUDA libraries if it is one. UsageError if not there.
std::string resolve_device(const std::string& name);

}  // namespace kaem
