#include "kaem/metrics/ranking.h"

#include <ATen/ATen.h>

#include <cmath>
#include <vector>

namespace kaem::metrics {
namespace {

using at::Tensor;

Tensor scores_of(const char* what, const Tensor& scores) {
  TORCH_CHECK_VALUE(scores.dim() == 1 && scores.size(0) > 0, what, ": expected scores [N], got ", scores.sizes());
  return scores.to(at::kCPU, at::kDouble).contiguous();
}

/// For each score the share of `others` below it, those that equal it counting half: [N].
Tensor share_below(const Tensor& scores, const Tensor& others) {
  const Tensor sorted = std::get<0>(others.sort());
  const Tensor below = at::searchsorted(sorted, scores, /*out_int32=*/false, /*right=*/false),
               up_to = at::searchsorted(sorted, scores, /*out_int32=*/false, /*right=*/true);
  return (below + up_to).to(at::kDouble) / (2.0 * static_cast<double>(others.size(0)));
}

double average_precision_of(const Tensor& positive, const Tensor& negative) {
  const Tensor scores = at::cat({positive, negative}), order = scores.argsort(0, /*descending=*/true);
  const Tensor is_positive = (order < positive.size(0)).to(at::kDouble), sorted = scores.index_select(0, order);
  const Tensor hits = is_positive.cumsum(0), precision = hits / at::arange(1, scores.size(0) + 1, hits.options());
  // A threshold takes all of equal scores at once.
  const Tensor last = at::cat({sorted.slice(0, 1) != sorted.slice(0, 0, -1), at::ones({1}, at::kBool)});
  const Tensor at_last = last.nonzero().flatten(), recall = hits.index_select(0, at_last) / hits[-1];
  const Tensor step = recall - at::cat({at::zeros({1}, recall.options()), recall.slice(0, 0, -1)});
  return (step * precision.index_select(0, at_last)).sum().item<double>();
}

}  // namespace

Estimate area_under_roc(const Tensor& positive_in, const Tensor& negative_in) {
  const Tensor positive = scores_of("area_under_roc", positive_in), negative = scores_of("area_under_roc", negative_in);
  const Tensor of_positive = share_below(positive, negative), of_negative = 1 - share_below(negative, positive);
  const auto n = static_cast<double>(positive.size(0)), m = static_cast<double>(negative.size(0));
  return {of_positive.mean().item<double>(), std::sqrt((of_positive.var() / n + of_negative.var() / m).item<double>())};
}

Estimate average_precision(const Tensor& positive_in, const Tensor& negative_in, const Rng& rng, int64_t draws) {
  const Tensor positive = scores_of("average_precision", positive_in),
               negative = scores_of("average_precision", negative_in);
  std::vector<double> values;
  const auto again = [&](const Tensor& scores, int64_t draw) {
    const int64_t n = scores.size(0);
    const Tensor u = rng.uniform(Stream::kEvaluate, draw, {n}, at::kDouble);
    return scores.index_select(0, (u * static_cast<double>(n)).to(at::kLong).clamp_max(n - 1));
  };
  for (int64_t i = 0; i < draws; ++i)
    values.push_back(average_precision_of(again(positive, 2 * i), again(negative, 2 * i + 1)));
  return {average_precision_of(positive, negative), at::tensor(values, at::kDouble).std().item<double>()};
}

}  // namespace kaem::metrics
