#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <cmath>

#include "kaem/mcmc/resample.h"
#include "kaem/model/model.h"
#include "kaem/prior/prior.h"
#include "posterior/posteriors.h"

namespace kaem {
namespace {

using at::Tensor;

/// z_s ~ prior shared by the whole batch, weights softmax_s log p(x_b|z_s). docs/mathematics.md section 4.
struct ImportanceSampling : Posterior {
  explicit ImportanceSampling(const PosteriorOptions& posterior_options)
      : options(posterior_options), resampler(mcmc::find_resampler(options.resampler)) {}

  Particles sample(const ModelView& view, const Batch& batch, int64_t step, const Rng& rng) override {
    ModelImpl& model = view.model;
    const Tensor& x = batch.x;
    const Tensor z = view.prior->sample(options.samples, rng, Stream::kPrior, step);
    const Tensor generated = model.generate_raw(z);
    // Here, where the graph still grows; batch norm needs another pass for the gradient.
    const Tensor with_graph = model.generator->depends_on_batch() ? Tensor() : generated;
    const c10::AutoGradMode no_grad(false);
    const Tensor log_likelihood = model.likelihood->all_pairs(x, generated.detach());
    const Tensor log_weight = log_likelihood.log_softmax(1), weight = log_weight.exp();
    const Tensor ess = mcmc::effective_sample_size(weight);
    const double log_samples = std::log(static_cast<double>(options.samples));
    Particles particles;
    particles.weighted = {z.unsqueeze(0), resampled(log_weight, weight, ess, step, rng), /*shared=*/true, with_graph};
    particles.info.ess = ess;
    particles.info.log_evidence = log_likelihood.logsumexp(1) - log_samples;
    return particles;
  }

  ops::Recordable recordable() const override { return ops::Recordable::kAll; }

  /// Rows whose ESS is below the threshold take resampled counts/S as weights: -inf for particles that were dropped.
  Tensor resampled(const Tensor& log_weight, const Tensor& weight, const Tensor& ess, int64_t step,
                   const Rng& rng) const {
    if (resampler == nullptr) return log_weight;
    const Tensor u = rng.row_uniform(Stream::kResample, step, weight.sizes(), 0, weight.options());
    const Tensor counts = resampler(weight, u) / static_cast<double>(options.samples);
    const Tensor poor = (ess < options.resampling_threshold * static_cast<double>(options.samples)).unsqueeze(1);
    return at::where(poor, counts.log(), log_weight);
  }

  PosteriorOptions options;
  mcmc::Resampler resampler;
};

}  // namespace

std::unique_ptr<Posterior> make_importance(const PosteriorOptions& options, ModelImpl&, const PosteriorContext&,
                                           const Rng&) {
  return std::make_unique<ImportanceSampling>(options);
}

}  // namespace kaem
