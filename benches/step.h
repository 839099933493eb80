#pragma once

#include <memory>
#include <string>

#include "bench.h"
#include "kaem/config/config.h"
#include "kaem/data/dataset.h"
#include "kaem/model/model.h"
#include "kaem/objective/objective.h"
#include "kaem/posterior/posterior.h"
#include "kaem/train/optimizer.h"
#include "kaem/train/update.h"

namespace kaem::bench {

/// The model, criterion and optimiser of a run, as the trainer puts them together, and its update.
struct Step {
  /// `config` must outlive it.
  Step(const Config& config, const Dataset& data, at::Device device);

  /// One update on x [B,D], which lies on the device.
  void operator()(const at::Tensor& x);

  const Config& config;
  Rng rng;
  Model model;
  std::unique_ptr<Posterior> posterior;
  std::unique_ptr<Objective> objective;
  std::unique_ptr<Optimizer> optimizer;
  std::unique_ptr<Update> update;
  int64_t step = 0;
  double loss = 0;
};

/// The configuration's data set where its training data are found, else bytes of the same shape; `note` says which.
Dataset data_or_synthetic(const Options& options, const Config& config, std::string& note);

}  // namespace kaem::bench
