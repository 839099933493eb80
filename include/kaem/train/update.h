#pragma once

#include <memory>
#include <string>
#include <vector>

#include "kaem/config/config.h"
#include "kaem/objective/objective.h"
#include "kaem/ops/gpu.h"
#include "kaem/train/metrics.h"
#include "kaem/train/optimizer.h"

namespace kaem {

/// An update up to its gradients: particles, criterion, backward pass, clipping. On a GPU it is recorded as a CUDA
/// graph as far as its parts allow, and replayed: its few hundred small launches would take the host longer than the
/// GPU. docs/performance.md.
class Update {
 public:
  /// All of them must outlive it.
  Update(const Config& config, ModelImpl& model, Posterior& posterior, Objective& objective, Optimizer& optimizer,
         const Rng& rng);

  /// Leaves the clipped gradients of the loss at update `step` (0-based) with the parameters; returns the loss, the
  /// criterion's terms and grad_norm, read from the device at once.
  NamedNumbers gradients(const Batch& batch, int64_t step);

  /// To be called when something that is no parameter has changed (grids): recordings would not see it.
  void forget();

  /// Updates so far that a recording made.
  int64_t replayed() const { return replayed_; }

 private:
  enum class Part { kNothing, kSampling, kAll };

  static Part part_of(const Config& config, const Posterior& posterior);
  void finish(const ModelView& view, const Batch& batch, int64_t step, const Particles& particles);
  bool replay(const Batch& batch, int64_t step);
  void record(const Batch& batch, int64_t step);
  NamedNumbers read() const;

  const Config& config_;
  ModelImpl& model_;
  Posterior& posterior_;
  Objective& objective_;
  Optimizer& optimizer_;
  Rng rng_;

  std::vector<std::string> names_;  ///< of `numbers_`
  at::Tensor numbers_;              ///< float64 [names], then the number of failed checks

  Part part_;
  bool warm_ = false;  ///< an update was made as it is since grids were last moved
  std::unique_ptr<ops::Recording> recording_;
  int64_t recorded_step_ = 0, replayed_ = 0;
  int64_t failures_ = 0;                        ///< replays in a row whose checks failed
  int64_t pause_ = 0;                           ///< updates to be made as they are before it is tried again
  Batch recorded_batch_;                        ///< where the recording reads its data
  Particles recorded_particles_;                ///< kSampling: what it makes
  at::Tensor recorded_numbers_;                 ///< kAll: what it makes; kSampling: the number of failed checks
  std::vector<at::Tensor> recorded_gradients_;  ///< kAll: where they are, by parameter
};

}  // namespace kaem
