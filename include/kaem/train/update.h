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

namespace dist {
class Group;
}
class GradientSums;

/// What an update came to, read from the device at once.
struct StepResult {
  double loss = 0;
  double gradient_norm = 0;   ///< before it was clipped
  std::vector<Number> terms;  ///< of the criterion and the sampler
  double learning_rate = 0;
  GridUpdate grid;
  bool skipped = false;  ///< it was not finite and is left out: nothing has moved
  int signal = 0;        ///< that one of the group's processes has received, which stops all of them
};

/// What an update is made of; all of it must outlive the update.
struct UpdateParts {
  ModelImpl& model;
  Posterior& posterior;
  Objective& objective;
  Optimizer& optimizer;
  double max_grad_norm;
  Rng rng;
  Profile* profile = nullptr;          ///< null: nothing is timed
  const dist::Group* group = nullptr;  ///< processes that share the batch; null: this one has all of it
  int64_t data_at_once = 0;            ///< data of a batch that are worked on together; 0: all
};

/// An update up to its gradients: particles, criterion, backward pass, clipping.
class Update {
 public:
  explicit Update(const UpdateParts& update_parts) : parts(update_parts) {}

  /// Leaves the clipped gradients of the loss at update `step` (0-based) with the parameters. `batch`: all of it, of
  /// which a process of a group takes its part. What comes out does not depend on how the batch is cut, but for
  /// rounding.
  StepResult gradients(const Batch& batch, int64_t step);

  /// The two halves of it: the samples, and what follows them, which returns the update's numbers on the device.
  Particles sample(const ModelView& view, const Batch& batch, int64_t step);
  at::Tensor finish(const ModelView& view, const Batch& batch, int64_t step, const Particles& particles);

  /// True if an update is made of one part, in one process.
  bool is_whole(int64_t data) const;

  /// The result that these numbers (float64, on any device) stand for.
  StepResult read(const at::Tensor& numbers) const;

  UpdateParts parts;
  int received = 0;  ///< the signal that this process of a group has received, or 0: `gradients` tells the others

 private:
  at::Tensor in_parts(const Batch& batch, int64_t step);
  Particles sample(const ModelView& view, const Batch& batch, int64_t step, const Rng& rng);
  Terms evaluate(const ModelView& view, const at::Tensor& x, int64_t step, const Particles& particles, const Rng& rng);
  at::Tensor numbers_of(const Terms& terms, const at::Tensor& norm);
  at::Tensor summed(GradientSums& sums, const at::Tensor& numbers);

  int heard_ = 0;                                       ///< the group's signal
  std::vector<std::pair<std::string, Measure>> terms_;  ///< of the last update's numbers
};

}  // namespace kaem
