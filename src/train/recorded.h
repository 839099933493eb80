#pragma once

#include <memory>
#include <vector>

#include "kaem/ops/gpu.h"
#include "kaem/train/update.h"

namespace kaem {

/// An update that a GPU records as a CUDA graph, as far as its parts allow, and replays: its few hundred small launches
/// would take the host longer than the GPU. docs/performance.md.
class RecordedUpdate {
 public:
  /// `plain` makes what is recorded, and the updates that are not; it must outlive this.
  explicit RecordedUpdate(Update& plain);

  /// As Update::gradients.
  StepResult gradients(const Batch& batch, int64_t step);

  /// To be called when something that is no parameter has changed (grids): recordings would not see it.
  void forget();

  /// Updates so far that a recording made.
  int64_t replayed() const { return replayed_; }

 private:
  bool replay(const Batch& batch, int64_t step);
  void record(const Batch& batch, int64_t step);

  Update& plain_;
  ops::Recordable part_;
  bool warm_ = false;  ///< an update was made as it is since grids were last moved
  std::unique_ptr<ops::Recording> recording_;
  int64_t recorded_step_ = 0, replayed_ = 0;
  int64_t failures_ = 0;                        ///< replays in a row whose checks failed
  int64_t pause_ = 0;                           ///< updates to be made as they are before it is tried again
  Batch recorded_batch_;                        ///< where the recording reads its data
  Particles recorded_particles_;                ///< kSampling: what it makes
  at::Tensor recorded_numbers_;                 ///< kAll: the update's numbers; then how many checks failed
  std::vector<at::Tensor> recorded_gradients_;  ///< kAll: where they are, by parameter
  at::Tensor numbers_;                          ///< of the last replay
};

}  // namespace kaem
