#pragma once

#include <cstdint>
#include <functional>

#include "kaem/config/config.h"

namespace kaem {

struct Dataset;

/// The largest part of a batch, or nearly, whose memory stays below `limit`; 0 if that of one data point does not.
/// `memory_of` is asked of few sizes, each larger than the last; beyond the limit of one at most.
int64_t largest_part(int64_t batch, double limit, const std::function<double(int64_t)>& memory_of);

/// The configuration with data_at_once set so that updates, the data and a checkpoint fit in [TRAINING] memory_limit on
/// this machine, and a note that says so: of updates that are made and thrown away. As it is without a limit, or with a
/// data_at_once of its own. Bounds the host's memory, and on a GPU the device's. ConfigError if one data point is too
/// much.
Config within_memory(const Config& config, const Dataset& data);

}  // namespace kaem
