#include <ATen/ATen.h>

#include <cmath>

#include "kaem/mcmc/resample.h"
#include "posterior/posteriors.h"
#include "posterior/proposal_draws.h"

namespace kaem {
namespace {

using at::Tensor;

/// Importance sampling whose proposal is a defensive mixture of the encoder and the prior. The encoder learns from the
/// weighted draws (the wake phase of reweighted wake-sleep, Bornschein and Bengio 2015). docs/mathematics.md section 4.
struct ProposalSampling : Posterior {
  ProposalSampling(const PosteriorOptions& posterior_options, ModelImpl& model, const Rng& rng)
      : options(posterior_options), proposal(options), encoder(options.encoder, model, rng) {}

  Particles sample(const ModelView& view, const Batch& batch, int64_t step, const Rng& rng) override {
    const ProposedDraws draws = proposal.draw(view, *encoder, batch.x, step, rng);
    const Tensor log_weight = draws.log_weight(1), normalised = log_weight.log_softmax(1), weight = normalised.exp();
    Particles particles;
    particles.info.ess = mcmc::effective_sample_size(weight);
    particles.info.log_evidence = log_weight.logsumexp(1) - std::log(static_cast<double>(options.samples));
    // Of all draws, though few are kept: it costs no pass of the generator.
    particles.encoder_log_q = (weight * encoder->log_prob(batch.x, draws.z)).sum(1);
    particles.encoder_bound = encoder_bound(view, batch.x, *encoder, options.encoder.bound_weight, rng, step);
    particles.weighted = kept(draws.z, normalised, weight, step, rng);
    return particles;
  }

  std::shared_ptr<torch::nn::Module> module() override { return encoder.ptr(); }

 private:
  /// All draws with their weights, or `kept_draws` of them, chosen by stratified uniforms, with equal ones: an update
  /// pays for a pass through the generator with its graph for each that is kept.
  Weighted kept(const Tensor& z, const Tensor& log_weight, const Tensor& weight, int64_t step, const Rng& rng) const {
    const int64_t count = options.kept_draws;
    if (count >= options.samples) return {z, log_weight};
    const Tensor u = rng.row_uniform(Stream::kResample, step, {z.size(0), count}, 0, weight.options());
    return {choose(z, weight, u),
            at::full({z.size(0), count}, -std::log(static_cast<double>(count)), weight.options())};
  }

  PosteriorOptions options;
  DefensiveProposal proposal;
  Encoder encoder;
};

}  // namespace

std::unique_ptr<Posterior> make_proposal(const PosteriorOptions& options, ModelImpl& model, const PosteriorContext&,
                                         const Rng& rng) {
  return std::make_unique<ProposalSampling>(options, model, rng);
}

}  // namespace kaem
