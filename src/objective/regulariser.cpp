#include <ATen/ATen.h>

#include "kaem/kan/layer.h"
#include "kaem/objective/objective.h"

namespace kaem {
namespace {

using at::Tensor;

Tensor layer_penalty(const KanLayerImpl& layer, const RegulariserOptions& options) {
  const Tensor size = layer.coefficients.abs().mean(1);  // [I,O]
  Tensor magnitude = layer.spline_weight.abs() * size;
  if (layer.base_weight.defined()) magnitude = magnitude + layer.base_weight.abs();
  const Tensor total = magnitude.sum();
  Tensor penalty = options.l1 * total;
  if (options.entropy > 0) {
    const Tensor share = magnitude / total.clamp_min(1e-12);
    penalty = penalty - options.entropy * (share * share.clamp_min(1e-12).log()).sum();
  }
  if (options.coefficient > 0) penalty = penalty + options.coefficient * layer.coefficients.abs().mean();
  if (options.difference > 0 && layer.coefficients.size(1) > 1)
    penalty = penalty + options.difference * layer.coefficients.diff(1, 1).abs().mean();
  return penalty;
}

}  // namespace

Tensor kan_penalty(const torch::nn::Module& module, const RegulariserOptions& options) {
  Tensor sum;
  for (const auto& child : module.modules())
    if (const auto* layer = dynamic_cast<const KanLayerImpl*>(child.get())) {
      const Tensor own = layer_penalty(*layer, options);
      sum = sum.defined() ? sum + own : own;
    }
  return sum;
}

}  // namespace kaem
