#pragma once

#include <cstdint>

#include "kaem/config/config.h"

namespace kaem {

struct Dataset;

/// How long a run is.
struct Length {
  int64_t steps_per_epoch = 1;
  int64_t total = 0;  ///< what schedules are made for: [TRAINING] N_updates, or N_epochs passes over the data
  int64_t last = 0;   ///< where `fit` stops ([TRAINING] max_steps)

  /// `total` over the updates of N_epochs: 1 unless N_updates is given.
  double scale = 1;
};

/// Whether [TRAINING] budget is still to decide the length of a run.
inline bool has_budget(const RunOptions& options) { return !options.budget.empty() && options.updates == 0; }

Length run_length(const RunOptions& options, int64_t steps_per_epoch);

/// The learning-rate schedule and β's cycles, given in epochs and updates of N_epochs, for a run of that length.
ScheduleOptions scaled(const ScheduleOptions& options, const Length& length);
BetaOptions scaled(const BetaOptions& options, const Length& length);

/// Seconds that an update takes here, from a trainer that is thrown away after `seconds`, or its first update if that
/// takes longer; the first updates are left out where there are more. Writes nothing.
double seconds_per_update(const Config& config, const Dataset& data, double seconds);

/// The configuration with N_updates set to what fits in [TRAINING] budget on this machine, and a note that says so. As
/// it is where there is no budget or N_updates is set already.
Config within_budget(const Config& config, const Dataset& data);

}  // namespace kaem
