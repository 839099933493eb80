#include "kaem/train/update.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/stack.h>

#include "kaem/model/model.h"

namespace kaem {

using at::Tensor;

StepResult Update::gradients(const Batch& batch, int64_t step) {
  const ModelView view = parts.model.view();
  return read(finish(view, batch, step, sample(view, batch, step)));
}

Particles Update::sample(const ModelView& view, const Batch& batch, int64_t step) {
  const auto timed = Profile::time(parts.profile, "posterior samples");
  return parts.posterior.sample(view, batch, step, parts.rng);
}

Tensor Update::finish(const ModelView& view, const Batch& batch, int64_t step, const Particles& particles) {
  Terms terms;
  {
    const auto timed = Profile::time(parts.profile, "loss");
    terms = parts.objective.evaluate(view, batch.x, particles, step, parts.rng);
  }
  {
    const auto timed = Profile::time(parts.profile, "backward pass");
    parts.optimizer.zero_grad();
    terms.total.backward();
  }
  const auto timed = Profile::time(parts.profile, "clipping and numbers");
  const Tensor norm = clip_gradients(parts.optimizer.parameters, parts.max_grad_norm);
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
