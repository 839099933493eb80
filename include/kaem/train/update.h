#pragma once

#include <string>
#include <utility>
#include <vector>

#include "kaem/kan/layer.h"
#include "kaem/objective/objective.h"
#include "kaem/train/metrics.h"
#include "kaem/train/optimizer.h"
#include "kaem/train/profile.h"

namespace kaem {

/// What an update came to, read from the device at once.
struct StepResult {
  double loss = 0;
  double gradient_norm = 0;   ///< before it was clipped
  std::vector<Number> terms;  ///< of the criterion and the sampler
  double learning_rate = 0;
  GridUpdate grid;
};

/// What an update is made of; all of it must outlive the update.
struct UpdateParts {
  ModelImpl& model;
  Posterior& posterior;
  Objective& objective;
  Optimizer& optimizer;
  double max_grad_norm;
  Rng rng;
  Profile* profile = nullptr;  ///< null: nothing is timed
};

/// An update up to its gradients: particles, criterion, backward pass, clipping.
class Update {
 public:
  explicit Update(const UpdateParts& update_parts) : parts(update_parts) {}

  /// Leaves the clipped gradients of the loss at update `step` (0-based) with the parameters.
  StepResult gradients(const Batch& batch, int64_t step);

  /// The two halves of it: the samples, and what follows them, which returns the update's numbers on the device.
  Particles sample(const ModelView& view, const Batch& batch, int64_t step);
  at::Tensor finish(const ModelView& view, const Batch& batch, int64_t step, const Particles& particles);

  /// The result that these numbers (float64, on any device) stand for.
  StepResult read(const at::Tensor& numbers) const;

  UpdateParts parts;

 private:
  std::vector<std::pair<std::string, Measure>> terms_;  ///< of the last update's numbers
};

}  // namespace kaem
