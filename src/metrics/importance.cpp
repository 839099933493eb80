#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "kaem/core/error.h"
#include "kaem/metrics/log_likelihood.h"

namespace kaem::metrics {

using at::Tensor;

LogLikelihood importance_log_likelihood(ModelImpl& model, const Tensor& x, int64_t samples, const Rng& rng) {
  if (!model.prior->normalised())
    throw UsageError("importance sampling needs a normalised prior; a deep prior has none: use ais");
  const c10::AutoGradMode no_grad(false);
  constexpr int64_t kChunk = 1000;
  const Tensor none = at::full({x.size(0)}, -std::numeric_limits<double>::infinity(), at::kDouble);
  Tensor log_sum = none, log_squares = none;
  for (int64_t first = 0; first < samples; first += kChunk) {
    const Tensor z = model.prior->sample(std::min(kChunk, samples - first), rng, Stream::kEvaluate, 0, first);
    const Tensor log_weight = model.log_likelihood(x, z).to(at::kCPU, at::kDouble);
    log_sum = at::logaddexp(log_sum, log_weight.logsumexp(1));
    log_squares = at::logaddexp(log_squares, (2 * log_weight).logsumexp(1));
  }
  const auto count = static_cast<double>(samples);
  const Tensor ess = (2 * log_sum - log_squares).exp();
  return {log_sum - std::log(count), (1 / ess - 1 / count).clamp_min(0).sqrt(), ess};
}

}  // namespace kaem::metrics
