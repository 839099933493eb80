#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <cmath>

#include "kaem/core/error.h"
#include "kaem/mcmc/kernel.h"
#include "kaem/mcmc/resample.h"
#include "kaem/model/model.h"
#include "kaem/posterior/encoder.h"
#include "kaem/prior/prior.h"
#include "posterior/posteriors.h"

namespace kaem {
namespace {

using at::Tensor;

/// Importance sampling whose proposal is a mixture of the encoder and the prior, both in fixed numbers (a defensive
/// mixture, Hesterberg 1995): the weights p(x,z)/q(z) of all draws are bounded by p(x|z)/share, however wrong the
/// encoder is. The encoder learns from the weighted draws (the wake phase of reweighted wake-sleep, Bornschein and
/// Bengio 2015). docs/mathematics.md section 4.
struct ProposalSampling : Posterior {
  ProposalSampling(const PosteriorOptions& posterior_options, ModelImpl& model, const Rng& rng)
      : options(posterior_options), encoder(options.encoder, model, rng) {
    const auto all = static_cast<double>(options.samples);
    from_prior = std::max<int64_t>(1, std::llround(options.defensive_share * all));
    from_encoder = options.samples - from_prior;
    if (from_encoder < 1)
      throw ConfigError(
          "[POST_LANGEVIN] defensive_share: nothing is left for the encoder of so few draws "
          "([TRAINING] importance_sample_size)");
  }

  Particles sample(const ModelView& view, const Batch& batch, int64_t step, const Rng& rng) override {
    const auto [z, log_weight] = draw(view, batch.x, step, rng);
    const Tensor normalised = log_weight.log_softmax(1), weight = normalised.exp();
    Particles particles;
    particles.info.ess = mcmc::effective_sample_size(weight);
    particles.info.log_evidence = log_weight.logsumexp(1) - std::log(static_cast<double>(options.samples));
    // Of all draws, though few are kept: it costs no pass of the generator.
    particles.encoder_log_q = (weight * encoder->log_prob(batch.x, z)).sum(1);
    particles.encoder_bound = encoder_bound(view, batch.x, *encoder, options.encoder.bound_weight, rng, step);
    particles.weighted = kept(z, normalised, weight, step, rng);
    return particles;
  }

  std::shared_ptr<torch::nn::Module> module() override { return encoder.ptr(); }

 private:
  /// z [B,S,latent...], those of the encoder first, and log p(x,z) - log q(z) [B,S]; without a graph.
  std::pair<Tensor, Tensor> draw(const ModelView& view, const Tensor& x, int64_t step, const Rng& rng) {
    const c10::AutoGradMode no_grad(false);
    ModelImpl& model = view.model;
    const int64_t data = x.size(0);
    std::vector<int64_t> sizes = {data, from_encoder};
    for (const int64_t n : model.latent_shape()) sizes.push_back(n);
    const auto [own, log_q_of_own] = encoder->sample(x, rng.normal(Stream::kEncoder, step, sizes, x.options()));
    const Tensor shared = view.prior->sample(from_prior, rng, Stream::kPrior, step);  // serve all data
    sizes[1] = from_prior;
    const Tensor shared_of_all = shared.unsqueeze(0).expand(sizes);
    const Tensor log_likelihood =
        at::cat({own_log_likelihood(model, x, own), model.log_likelihood(x, shared).to(own.scalar_type())}, 1);
    const Tensor rows = own.flatten(0, 1);
    const Tensor log_prior = at::cat({view.prior->log_prob(rows).unflatten(0, {data, from_encoder}),
                                      view.prior->log_prob(shared).unsqueeze(0).expand({data, from_prior})},
                                     1);
    const Tensor log_q = at::cat({log_q_of_own, encoder->log_prob(x, shared_of_all)}, 1);
    const auto share_of = [&](int64_t count) {
      return std::log(static_cast<double>(count) / static_cast<double>(options.samples));
    };
    const Tensor log_proposal = at::logaddexp(log_q + share_of(from_encoder), log_prior + share_of(from_prior));
    return {at::cat({own, shared_of_all}, 1), log_likelihood + log_prior - log_proposal};
  }

  /// log p(x_b|z_bn): z [B,N,latent...] -> [B,N].
  static Tensor own_log_likelihood(ModelImpl& model, const Tensor& x, const Tensor& z) {
    const Tensor generated = model.generate_raw(z.flatten(0, 1)).unflatten(0, {z.size(0), z.size(1)});
    return model.likelihood->value_and_gradient(x, generated.unsqueeze(0)).first[0];
  }

  /// All draws with their weights, or `kept_draws` of them, chosen by stratified uniforms, with equal ones: an update
  /// pays for a pass through the generator with its graph for each that is kept.
  Weighted kept(const Tensor& z, const Tensor& log_weight, const Tensor& weight, int64_t step, const Rng& rng) const {
    const int64_t count = options.kept_draws;
    if (count >= options.samples) return {z, log_weight};
    const Tensor u = rng.uniform(Stream::kResample, step, {z.size(0), count}, weight.options());
    const Tensor at = (at::arange(count, weight.options()) + u) / static_cast<double>(count);
    const Tensor chosen = at::searchsorted(weight.cumsum(1), at).clamp_max(options.samples - 1);
    std::vector<Tensor> rows;
    for (int64_t b = 0; b < z.size(0); ++b) rows.push_back(z[b].index_select(0, chosen[b]));
    return {at::stack(rows), at::full({z.size(0), count}, -std::log(static_cast<double>(count)), weight.options())};
  }

  PosteriorOptions options;
  Encoder encoder;
  int64_t from_prior = 1, from_encoder = 1;
};

}  // namespace

std::unique_ptr<Posterior> make_proposal(const PosteriorOptions& options, ModelImpl& model, const PosteriorContext&,
                                         const Rng& rng) {
  return std::make_unique<ProposalSampling>(options, model, rng);
}

}  // namespace kaem
