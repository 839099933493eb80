#pragma once

#include <string>

#include "kaem/train/trainer.h"

namespace kaem {

/// UsageError unless a run's folder could be made at `path`: nothing is there, and its name is a run's.
void check_new_run(const std::string& option, const std::string& path);

/// Writes a run's folder at `path` that holds what `run` was loaded from, its newest whole checkpoint, but for the
/// prior and the configuration: kept files, metrics.csv and all other tensors are copied; both the prior's parameters
/// and their averages (where kept) are those of `prior`. The optimiser's state stays with the parameters that are still
/// there. `command_line`: for meta.json. docs/file-formats.md. UsageError as check_new_run; Error if it cannot be
/// written.
void write_run_with_prior(const LoadedRun& run, const Config& config, const Prior& prior, const std::string& path,
                          const std::string& command_line);

}  // namespace kaem
