#pragma once

#include <string>

#include "kaem/config/config.h"

namespace kaem {

/// Threads, flushing of denormals, determinism and device as the run asks for; returns the device's name.
std::string prepare_machine(const RunOptions& options);

}  // namespace kaem
