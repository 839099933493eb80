#include "kaem/train/ema.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/_foreach_lerp.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/equal.h>

#include <algorithm>

#include "kaem/core/error.h"
#include "kaem/kan/layer.h"
#include "state.h"

namespace kaem {
namespace {

/// Points that divide every interval of the knots [I,G+1] evenly: [N,I], ascending, both ends included. Knots follow
/// the quantiles of the inputs, so that these points do too.
at::Tensor refit_points(const at::Tensor& knots, int64_t features) {
  const int64_t intervals = knots.size(1) - 1;
  const int64_t parts = std::max<int64_t>(8, (4 * features + intervals - 1) / intervals);
  const auto left = knots.slice(1, 0, intervals).unsqueeze(2), right = knots.slice(1, 1).unsqueeze(2);
  const auto share = at::arange(parts, knots.options()) / static_cast<double>(parts);
  const auto inside = (left + (right - left) * share).flatten(1);  // [I, G·parts]
  return at::cat({inside, knots.slice(1, intervals)}, 1).t().contiguous();
}

}  // namespace

Ema::Ema(torch::nn::Module& module, double decay) : module_(&module), decay_(decay) {
  if (!enabled()) return;
  const at::NoGradGuard no_grad;
  for (const auto& v : named_values(module)) {
    auto average = v.value.detach().clone();
    if (average.is_floating_point() && average.scalar_type() != at::kDouble) average = average.to(at::kFloat);
    entries_.push_back({v.name, average, v.is_parameter});
  }
}

void Ema::update() {
  if (!enabled()) return;
  const at::NoGradGuard no_grad;
  const auto values = named_values(*module_);
  std::vector<at::Tensor> averages, parameters;  // all at once: a launch each would take a GPU longer than the numbers
  for (size_t i = 0; i < entries_.size(); ++i) {
    auto& average = entries_[i].average;
    if (entries_[i].is_parameter)
      averages.push_back(average), parameters.push_back(values[i].value.to(average.scalar_type()));
    else
      average.copy_(values[i].value);
  }
  if (!averages.empty()) at::_foreach_lerp_(averages, parameters, 1 - decay_);
}

void Ema::refit() {
  if (!enabled()) return;
  const at::NoGradGuard no_grad;
  for (const auto& named : module_->named_modules()) {
    const auto* layer = named.value()->as<KanLayerImpl>();
    if (layer == nullptr || layer->has_trainable_knots()) continue;  // trained knots are averaged as any parameter
    const std::string prefix = named.key().empty() ? "" : named.key() + ".";
    auto *knots = find(prefix + "knots"), *coefficients = find(prefix + "coefficients"), *tau = find(prefix + "tau");
    if (knots == nullptr || coefficients == nullptr || tau == nullptr)
      throw Error("EMA: layer " + named.key() + " has no knots, coefficients or tau");
    if (at::equal(*knots, layer->knots())) continue;
    const auto points = refit_points(layer->knots(), coefficients->size(1));
    coefficients->copy_(refit_coefficients(points, *knots, layer->knots(), tau->clamp_min(kMinTau), *coefficients,
                                           layer->spec, layer->options.ridge));
  }
  const auto values = named_values(*module_);
  for (size_t i = 0; i < entries_.size(); ++i)
    if (!entries_[i].is_parameter) entries_[i].average.copy_(values[i].value);
}

void Ema::swap() {
  if (!enabled()) return;
  const at::NoGradGuard no_grad;
  const auto values = named_values(*module_);
  for (size_t i = 0; i < entries_.size(); ++i) {
    if (!entries_[i].is_parameter)
      continue;  // their averages are they themselves; grids that are written to are made anew
    const auto kept = values[i].value.detach().clone();
    at::Tensor live = values[i].value;
    live.copy_(entries_[i].average);
    entries_[i].average.copy_(kept);
  }
}

io::NamedTensors Ema::named_state() const {
  io::NamedTensors state;
  for (const auto& e : entries_) state.emplace_back("ema." + e.name, e.average);
  return state;
}

at::Tensor* Ema::find(const std::string& name) {
  for (auto& e : entries_)
    if (e.name == name) return &e.average;
  return nullptr;
}

}  // namespace kaem
