#pragma once

#include <string>

#include "kaem/config/config.h"
#include "kaem/core/shape.h"
#include "kaem/generator/options.h"

namespace kaem {

/// Threads, flushing of denormals, determinism and device as the run asks for; returns the device's name.
std::string prepare_machine(const RunOptions& options);

/// Sets what the options say of the device's products. For BF16 times the generator both ways: returns a line to print,
/// or ConfigError where it is slower, not forced and not `resumed`: a run that began goes on (and for TF32 without a
/// GPU). Empty: nothing to say.
std::string prepare_precision(const GeneratorOptions& options, int64_t latent_width, const DataShape& shape,
                              const std::string& device, bool resumed);

}  // namespace kaem
