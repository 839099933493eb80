#include "recorded.h"

#include <ATen/ops/cat.h>

#include <algorithm>

#include "kaem/core/log.h"
#include "kaem/core/str.h"
#include "kaem/model/model.h"

namespace kaem {

using at::Tensor;
using ops::Recordable;

namespace {

// A replay whose checks fail costs as much as one that is good. Where they keep failing, none is made for a while.
constexpr int64_t kMostFailures = 3, kPause = 100;

}  // namespace

RecordedUpdate::RecordedUpdate(Update& plain)
    : plain_(plain),
      part_(std::min(
          {plain.parts.model.recordable(), plain.parts.posterior.recordable(), plain.parts.objective.recordable()})) {}

StepResult RecordedUpdate::gradients(const Batch& batch, int64_t step) {
  if (part_ != Recordable::kNothing && ops::records(batch.x.device()) && replay(batch, step)) {
    ++replayed_;
    return plain_.read(numbers_);
  }
  warm_ = true;
  return plain_.gradients(batch, step);
}

void RecordedUpdate::forget() {
  recording_.reset();
  recorded_gradients_.clear();
  recorded_particles_ = {}, recorded_numbers_ = Tensor();
  warm_ = false;
}

/// True if gradients and numbers are those of this update, from a recording; made now if it is time.
bool RecordedUpdate::replay(const Batch& batch, int64_t step) {
  if (pause_ > 0) return --pause_, false;
  if (!recording_ && !warm_) return false;  // libraries set themselves up at first calls, which cannot be recorded
  if (recording_ && batch.x.sizes() != recorded_batch_.x.sizes()) return false;
  const UpdateParts& parts = plain_.parts;
  const auto timed = Profile::time(parts.profile, "replay of what the GPU recorded");
  try {
    if (!recording_) record(batch, step);
    recorded_batch_.x.copy_(batch.x, /*non_blocking=*/true);
    parts.posterior.prepare(step);
    recording_->replay(step - recorded_step_);  // the first one takes memory of its own
  } catch (const c10::Error& e) {
    log::warn(str("updates are not recorded as a CUDA graph: ", e.what_without_backtrace()));
    forget(), part_ = Recordable::kNothing;
    return false;
  }
  if (part_ == Recordable::kAll) {
    for (size_t i = 0; i < recorded_gradients_.size(); ++i)
      parts.optimizer.parameters[i].value.mutable_grad() = recorded_gradients_[i];
  }
  numbers_ = recorded_numbers_.cpu();  // waits for the replay
  if (numbers_.const_data_ptr<double>()[numbers_.numel() - 1] != 0) {
    if (++failures_ == kMostFailures) forget(), failures_ = 0, pause_ = kPause;
    return false;
  }
  failures_ = 0;
  if (part_ == Recordable::kSampling) numbers_ = plain_.finish(parts.model.view(), batch, step, recorded_particles_);
  return true;
}

void RecordedUpdate::record(const Batch& batch, int64_t step) {
  const UpdateParts& parts = plain_.parts;
  recorded_step_ = step;
  recorded_batch_ = {batch.x.clone(), {}};
  parts.posterior.prepare(step);
  parts.optimizer.zero_grad();
  const auto device = batch.x.device();
  recording_ = ops::record(device, [&] {
    const ModelView view = parts.model.view();
    Particles particles = plain_.sample(view, recorded_batch_, step);
    const auto failed = [&] { return ops::failed_checks(device).reshape({1}); };
    if (part_ == Recordable::kSampling) {
      recorded_particles_ = std::move(particles), recorded_numbers_ = failed();
      return;
    }
    const Tensor numbers = plain_.finish(view, recorded_batch_, step, particles);
    recorded_numbers_ = at::cat({numbers, failed()});
  });
  recorded_gradients_.clear();
  if (part_ == Recordable::kAll)
    for (const auto& p : parts.optimizer.parameters) recorded_gradients_.push_back(p.value.grad());
}

}  // namespace kaem
