#pragma once

#include <memory>
#include <string>

#include "bench.h"
#include "kaem/config/config.h"
#include "kaem/data/dataset.h"
#include "kaem/train/trainer.h"

namespace kaem::bench {

/// The trainer of a run on the benchmark's device and threads.
std::unique_ptr<Trainer> make_trainer(Config config, const Dataset& data, const Options& options);

/// The configuration's data set where its training data are found, else bytes of the same shape; `note` says which.
Dataset data_or_synthetic(const Options& options, const Config& config, std::string& note);

}  // namespace kaem::bench
