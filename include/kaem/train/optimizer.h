#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <string>
#include <vector>

#include "kaem/config/config.h"
#include "kaem/io/safetensors.h"

namespace kaem {

/// A named parameter and the group it belongs to.
struct NamedParameter {
  std::string name;
  at::Tensor value;
  bool of_prior = false;  ///< takes prior_learning_rate
};

/// First-order optimiser over named parameters. All state is tensors that are named, so that resume is exact.
struct Optimizer {
  virtual ~Optimizer() = default;
  /// One update from the gradients, with the learning rates times `factor` (the schedule's).
  virtual void step(double factor) = 0;
  void zero_grad();
  /// State tensors, "optimizer.NAME.exp_avg" and so on; loading copies into them (Error if one is missing or
  /// misshapen).
  virtual io::NamedTensors named_state() = 0;

  std::vector<NamedParameter> parameters;
};

/// adam, adamw, sgd, momentum, nesterov, rmsprop, nadam; LibTorch's fused updates where it has them.
std::unique_ptr<Optimizer> make_optimizer(const OptimizerOptions& options, std::vector<NamedParameter> parameters);
std::vector<std::string> optimizer_names();

/// Factor on the learning rates at `step` (0-based).
double schedule_factor(const ScheduleOptions& options, int64_t step, double steps_per_epoch, int64_t total_steps);

/// Scales all gradients so that their joint 2-norm is at most `max_norm` (0: only measures); returns the norm before,
/// [].
at::Tensor clip_gradients(const std::vector<NamedParameter>& parameters, double max_norm);

}  // namespace kaem
