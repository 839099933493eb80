#include "kaem/train/update.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/stack.h>

#include "kaem/core/log.h"
#include "kaem/core/str.h"
#include "kaem/model/model.h"
#include "kaem/prior/prior.h"

namespace kaem {

using at::Tensor;

namespace {

// A replay whose checks fail costs as much as one that is good. Where they keep failing, none is made for a while.
constexpr int64_t kMostFailures = 3, kPause = 100;

}  // namespace

Update::Update(const Config& config, ModelImpl& model, Posterior& posterior, Objective& objective, Optimizer& optimizer,
               const Rng& rng)
    : config_(config),
      model_(model),
      posterior_(posterior),
      objective_(objective),
      optimizer_(optimizer),
      rng_(rng),
      part_(part_of(config, posterior)) {}

/// Low-discrepancy draws are made by the host, as are words; batch norm would count a batch twice where a replay is not
/// good; of the criteria by chains at several temperatures, MBAR is solved by the host.
Update::Part Update::part_of(const Config& config, const Posterior& posterior) {
  const auto& model = config.model;
  const bool plain = !model.prior.is_deep() && model.prior.uniforms == "independent" && !model.generator.seq.use() &&
                     !model.generator.use_perceptual_loss &&
                     !(model.generator.cnn.use && model.generator.cnn.batchnorm);
  if (!plain || !posterior.recordable()) return Part::kNothing;
  if (config.objective.kind == "importance" || config.objective.kind == "langevin") return Part::kAll;
  return config.objective.kind == "thermodynamic" ? Part::kSampling : Part::kNothing;
}

NamedNumbers Update::gradients(const Batch& batch, int64_t step) {
  if (part_ != Part::kNothing && ops::records(batch.x.device()) && replay(batch, step)) {
    ++replayed_;
    return read();
  }
  const ModelView view = model_.view();
  finish(view, batch, step, posterior_.sample(view, batch, step, rng_));
  warm_ = true;
  return read();
}

void Update::forget() {
  recording_.reset();
  recorded_gradients_.clear();
  recorded_particles_ = {}, recorded_numbers_ = Tensor();
  warm_ = false;
}

/// What follows the particles.
void Update::finish(const ModelView& view, const Batch& batch, int64_t step, const Particles& particles) {
  const Terms terms = objective_.evaluate(view, batch.x, particles, step, rng_);
  optimizer_.zero_grad();
  terms.total.backward();
  const Tensor norm = clip_gradients(optimizer_.parameters, config_.optimizer.max_grad_norm);
  const at::NoGradGuard no_grad;
  names_ = {"loss"};
  std::vector<Tensor> values = {terms.total};
  for (const auto& [name, value] : terms.named)
    if (name != "loss") names_.push_back(name), values.push_back(value);
  names_.emplace_back("grad_norm"), values.push_back(norm);
  const auto device = terms.total.device();
  for (Tensor& t : values) t = t.detach().to(device).reshape({});
  numbers_ = at::cat({at::stack(values).to(at::kDouble), ops::failed_checks(device).reshape({1})});
}

/// True if gradients and numbers are those of this update, from a recording; made now if it is time.
bool Update::replay(const Batch& batch, int64_t step) {
  if (pause_ > 0) return --pause_, false;
  if (!recording_ && !warm_) return false;  // libraries set themselves up at first calls, which cannot be recorded
  if (recording_ && batch.x.sizes() != recorded_batch_.x.sizes()) return false;
  try {
    if (!recording_) record(batch, step);
    recorded_batch_.x.copy_(batch.x, /*non_blocking=*/true);
    posterior_.prepare(step);
    recording_->replay(step - recorded_step_);  // the first one takes memory of its own
  } catch (const c10::Error& e) {
    log::warn(str("updates are not recorded as a CUDA graph: ", e.what_without_backtrace()));
    forget(), part_ = Part::kNothing;
    return false;
  }
  if (part_ == Part::kAll) {
    for (size_t i = 0; i < recorded_gradients_.size(); ++i)
      optimizer_.parameters[i].value.mutable_grad() = recorded_gradients_[i];
  }
  const Tensor numbers = recorded_numbers_.cpu();  // waits for the replay
  if (numbers.const_data_ptr<double>()[numbers.numel() - 1] != 0) {
    if (++failures_ == kMostFailures) forget(), failures_ = 0, pause_ = kPause;
    return false;
  }
  failures_ = 0;
  if (part_ == Part::kAll)
    numbers_ = numbers;
  else
    finish(model_.view(), batch, step, recorded_particles_);
  return true;
}

void Update::record(const Batch& batch, int64_t step) {
  recorded_step_ = step;
  recorded_batch_ = {batch.x.clone(), {}};
  posterior_.prepare(step);
  optimizer_.zero_grad();
  recording_ = ops::record(batch.x.device(), [&] {
    const ModelView view = model_.view();
    recorded_particles_ = posterior_.sample(view, recorded_batch_, step, rng_);
    if (part_ == Part::kSampling) {
      recorded_numbers_ = ops::failed_checks(batch.x.device()).reshape({1});
      return;
    }
    finish(view, recorded_batch_, step, recorded_particles_);
    recorded_particles_ = {};
    recorded_numbers_ = numbers_;
  });
  recorded_gradients_.clear();
  if (part_ == Part::kAll)
    for (const auto& p : optimizer_.parameters) recorded_gradients_.push_back(p.value.grad());
}

NamedNumbers Update::read() const {
  const Tensor numbers = numbers_.cpu();  // all at once: each would wait for the device
  NamedNumbers values;
  for (size_t i = 0; i < names_.size(); ++i) values.emplace_back(names_[i], numbers.const_data_ptr<double>()[i]);
  return values;
}

}  // namespace kaem
