#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "kaem/core/error.h"
#include "kaem/metrics/log_likelihood.h"
#include "kaem/model/model.h"
#include "kaem/prior/prior.h"

namespace kaem::metrics {
namespace {

using at::Tensor;

/// Draws at a time, so that what the generator makes of them stays below 128 MB.
int64_t chunk_of(const ModelImpl& model) {
  constexpr int64_t kMost = 1000, kNumbers = int64_t{1} << 25;
  const SeqOptions& seq = model.options.generator.seq;
  const int64_t width = model.data_size() * (seq.use() ? seq.vocab_size : 1);
  return std::clamp(kNumbers / width, int64_t{1}, kMost);
}

/// log p(x_b|z_s) [B,S]: what an autoregressive generator makes of a draw is another thing for each datum.
Tensor log_likelihood(ModelImpl& model, const Tensor& x, const Tensor& z) {
  if (!model.generator->autoregressive()) return model.log_likelihood(x, z);
  const Tensor u = model.prior->features(z);
  std::vector<Tensor> rows;
  for (int64_t b = 0; b < x.size(0); ++b) {
    const Tensor datum = x.narrow(0, b, 1);
    const Tensor generated = model.generator->forward_given(u, datum.expand({z.size(0), -1}));
    rows.push_back(model.likelihood->all_pairs(datum, generated));
  }
  return at::cat(rows);
}

/// Log weights [B,n] of all draws, a chunk at a time.
template <class Take>
void for_each_chunk(ModelImpl& model, const Tensor& x, int64_t samples, const Rng& rng, Take&& take) {
  if (!model.prior->normalised())
    throw UsageError("importance sampling needs a normalised prior; a deep prior has none: use ais");
  const c10::AutoGradMode no_grad(false);
  const ModelView view = model.view();
  const int64_t chunk = chunk_of(model);
  for (int64_t first = 0; first < samples; first += chunk) {
    const Tensor z = view.prior->sample(std::min(chunk, samples - first), rng, Stream::kEvaluate, 0, first);
    take(log_likelihood(model, x, z).to(at::kCPU, at::kDouble));
  }
}

/// The estimate from the log-sums of `samples` weights and of their squares, both [B].
LogLikelihood estimate_of(const Tensor& log_sum, const Tensor& log_squares, int64_t samples) {
  const auto count = static_cast<double>(samples);
  const Tensor ess = (2 * log_sum - log_squares).exp();
  // The delta method; the variance of the mean from the sample variance, of which one draw has none.
  Tensor error = ((1 / ess - 1 / count).clamp_min(0) * (count / std::max(1.0, count - 1))).sqrt();
  if (samples == 1) error = at::full_like(error, std::nan(""));
  return {log_sum - std::log(count), error, ess};
}

}  // namespace

LogLikelihood importance_log_likelihood(ModelImpl& model, const Tensor& x, int64_t samples, const Rng& rng) {
  const Tensor none = at::full({x.size(0)}, -std::numeric_limits<double>::infinity(), at::kDouble);
  Tensor log_sum = none, log_squares = none;
  for_each_chunk(model, x, samples, rng, [&](const Tensor& log_weight) {
    log_sum = at::logaddexp(log_sum, log_weight.logsumexp(1));
    log_squares = at::logaddexp(log_squares, (2 * log_weight).logsumexp(1));
  });
  return estimate_of(log_sum, log_squares, samples);
}

Tensor importance_log_weights(ModelImpl& model, const Tensor& x, int64_t samples, const Rng& rng) {
  std::vector<Tensor> chunks;
  for_each_chunk(model, x, samples, rng, [&](const Tensor& log_weight) { chunks.push_back(log_weight); });
  return at::cat(chunks, 1);
}

LogLikelihood importance_log_likelihood(const Tensor& log_weights) {
  return estimate_of(log_weights.logsumexp(1), (2 * log_weights).logsumexp(1), log_weights.size(1));
}

Change change_of(const Tensor& before, const Tensor& after) {
  const auto count = static_cast<double>(before.size(1));
  const Tensor value = after.logsumexp(1) - before.logsumexp(1);
  const Tensor of_draw = count * (after.softmax(1) - before.softmax(1)).mean(0);  // [S]
  const double error = before.size(1) > 1 ? of_draw.std().item<double>() / std::sqrt(count) : std::nan("");
  return {value, value.mean().item<double>(), error};
}

}  // namespace kaem::metrics
