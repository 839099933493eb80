#include "kaem/train/update.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <optional>

#include "buckets.h"
#include "kaem/dist/group.h"
#include "kaem/model/model.h"

namespace kaem {

using at::Tensor;

namespace {

/// Data `rows` of a batch.
Batch part_of(const Batch& batch, const BatchRows& rows) {
  return {batch.x.narrow(0, rows.first, rows.count),
          batch.index.defined() ? batch.index.narrow(0, rows.first, rows.count) : Tensor()};
}

/// The parts of a batch that this process works on, one after another.
std::vector<BatchRows> parts_of(int64_t total, int64_t rank, int64_t size, int64_t at_once) {
  const int64_t from = rank * total / size, to = (rank + 1) * total / size;
  const int64_t most = at_once > 0 ? at_once : to - from;
  std::vector<BatchRows> rows;
  for (int64_t first = from; first < to; first += most) rows.push_back({first, std::min(most, to - first), total});
  return rows;
}

}  // namespace

bool Update::is_whole(int64_t data) const {
  return parts.group == nullptr && (parts.data_at_once == 0 || parts.data_at_once >= data);
}

StepResult Update::gradients(const Batch& batch, int64_t step) {
  Tensor numbers;
  if (is_whole(batch.x.size(0))) {
    const ModelView view = parts.model.view();
    numbers = finish(view, batch, step, sample(view, batch, step));
  } else {
    numbers = in_parts(batch, step);
  }
  parts.posterior.settle(parts.group);
  StepResult result = read(numbers);
  result.signal = heard_;
  return result;
}

/// The loss is a mean over the data: each part counts by its share of them.
Tensor Update::in_parts(const Batch& batch, int64_t step) {
  const int64_t rank = parts.group != nullptr ? parts.group->rank() : 0,
                size = parts.group != nullptr ? parts.group->size() : 1;
  parts.optimizer.zero_grad();
  Tensor numbers;
  std::optional<GradientSums> sums;
  const std::vector<BatchRows> all = parts_of(batch.x.size(0), rank, size, parts.data_at_once);
  for (const BatchRows& rows : all) {
    const Rng rng = parts.rng.of_rows(rows);
    const Batch part = part_of(batch, rows);
    const ModelView view = parts.model.view();
    const Terms terms = evaluate(view, part.x, step, sample(view, part, step, rng), rng);
    const double share = rows.share();
    {
      const auto timed = Profile::time(parts.profile, "backward pass");
      if (parts.group != nullptr && &rows == &all.back()) sums.emplace(parts.optimizer.parameters, *parts.group);
      (terms.total * share).backward();
    }
    const at::NoGradGuard no_grad;
    const Tensor own = share * numbers_of(terms, at::zeros({}, terms.total.options()));
    numbers = numbers.defined() ? numbers + own : own;
  }
  const at::NoGradGuard no_grad;
  if (sums) numbers = summed(*sums, numbers);
  const auto timed = Profile::time(parts.profile, "clipping and numbers");
  numbers[1].copy_(clip_gradients(parts.optimizer.parameters, parts.max_grad_norm));
  return numbers;
}

/// Ends the sums of the gradients and makes those of the numbers, with whoever has received a signal and which.
Tensor Update::summed(GradientSums& sums, const Tensor& numbers) {
  const auto timed = Profile::time(parts.profile, "sums over processes");
  sums.finish();
  const Tensor told = at::tensor({received != 0 ? 1.0 : 0.0, static_cast<double>(received)}, at::kDouble);
  const Tensor small = at::cat({numbers.to(at::kCPU, at::kDouble), told});
  parts.group->sum(small);
  const double* heard = small.const_data_ptr<double>() + numbers.numel();
  heard_ = heard[0] > 0 ? static_cast<int>(heard[1] / heard[0]) : 0;
  return small.slice(0, 0, numbers.numel());
}

Particles Update::sample(const ModelView& view, const Batch& batch, int64_t step) {
  return sample(view, batch, step, parts.rng);
}

Particles Update::sample(const ModelView& view, const Batch& batch, int64_t step, const Rng& rng) {
  const auto timed = Profile::time(parts.profile, "posterior samples");
  return parts.posterior.sample(view, batch, step, rng);
}

Tensor Update::finish(const ModelView& view, const Batch& batch, int64_t step, const Particles& particles) {
  const Terms terms = evaluate(view, batch.x, step, particles, parts.rng);
  {
    const auto timed = Profile::time(parts.profile, "backward pass");
    parts.optimizer.zero_grad();
    terms.total.backward();
  }
  const auto timed = Profile::time(parts.profile, "clipping and numbers");
  const Tensor norm = clip_gradients(parts.optimizer.parameters, parts.max_grad_norm);
  return numbers_of(terms, norm);
}

Terms Update::evaluate(const ModelView& view, const Tensor& x, int64_t step, const Particles& particles,
                       const Rng& rng) {
  const auto timed = Profile::time(parts.profile, "loss");
  return parts.objective.evaluate(view, x, particles, step, rng);
}

Tensor Update::numbers_of(const Terms& terms, const Tensor& norm) {
  const at::NoGradGuard no_grad;
  std::vector<Tensor> values = {terms.total, norm};
  terms_.clear();
  for (const auto& [name, value, measure] : terms.named) terms_.emplace_back(name, measure), values.push_back(value);
  const auto device = terms.total.device();
  for (Tensor& t : values) t = t.detach().to(device).reshape({});
  return at::stack(values).to(at::kDouble);
}

StepResult Update::read(const Tensor& numbers) const {
  const Tensor all = numbers.cpu();  // all at once: each would wait for the device
  const double* value = all.const_data_ptr<double>();
  StepResult result;
  result.loss = *value++, result.gradient_norm = *value++;
  for (const auto& [name, measure] : terms_) result.terms.push_back({name, *value++, measure});
  return result;
}

}  // namespace kaem
