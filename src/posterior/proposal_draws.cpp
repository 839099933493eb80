#include "posterior/proposal_draws.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>

#include "kaem/core/error.h"
#include "kaem/prior/prior.h"

namespace kaem {

using at::Tensor;

namespace {

/// log p(x_b|z_bn): z [B,N,latent...] -> [B,N].
Tensor own_log_likelihood(ModelImpl& model, const Tensor& x, const Tensor& z) {
  const Tensor generated = model.generate_raw(z.flatten(0, 1)).unflatten(0, {z.size(0), z.size(1)});
  return model.likelihood->value_and_gradient(x, generated.unsqueeze(0)).first[0];
}

}  // namespace

DefensiveProposal::DefensiveProposal(const PosteriorOptions& options)
    : from_prior_(options.prior_draws()), from_encoder_(options.samples - from_prior_) {
  if (from_encoder_ < 1) throw ConfigError("[POST_LANGEVIN] defensive_share leaves no draw for the encoder");
}

ProposedDraws DefensiveProposal::draw(const ModelView& view, EncoderImpl& encoder, const Tensor& x, int64_t step,
                                      const Rng& rng) const {
  const c10::AutoGradMode no_grad(false);
  ModelImpl& model = view.model;
  const int64_t data = x.size(0);
  std::vector<int64_t> sizes = {data, from_encoder_};
  for (const int64_t n : model.latent_shape()) sizes.push_back(n);
  const auto [own, log_q_of_own] = encoder.sample(x, rng.row_normal(Stream::kEncoder, step, sizes, 0, x.options()));
  const Tensor shared = view.prior->sample(from_prior_, rng, Stream::kPrior, step);  // serve all data
  sizes[1] = from_prior_;
  const Tensor shared_of_all = shared.unsqueeze(0).expand(sizes);
  const Tensor log_likelihood =
      at::cat({own_log_likelihood(model, x, own), model.log_likelihood(x, shared).to(own.scalar_type())}, 1);
  const Tensor rows = own.flatten(0, 1);
  const Tensor log_prior = at::cat({view.prior->log_prob(rows).unflatten(0, {data, from_encoder_}),
                                    view.prior->log_prob(shared).unsqueeze(0).expand({data, from_prior_})},
                                   1);
  const Tensor log_q = at::cat({log_q_of_own, encoder.log_prob(x, shared_of_all)}, 1);
  const auto share_of = [&](int64_t count) {
    return std::log(static_cast<double>(count) / static_cast<double>(from_encoder_ + from_prior_));
  };
  const Tensor log_proposal = at::logaddexp(log_q + share_of(from_encoder_), log_prior + share_of(from_prior_));
  return {at::cat({own, shared_of_all}, 1), log_likelihood, log_prior - log_proposal};
}

Tensor choose(const Tensor& z, const Tensor& weight, const Tensor& u) {
  const int64_t count = u.size(1);
  const Tensor at = (at::arange(count, weight.options()) + u) / static_cast<double>(count);
  const Tensor chosen = at::searchsorted(weight.cumsum(1), at).clamp_max(z.size(1) - 1);
  std::vector<Tensor> rows;
  for (int64_t b = 0; b < z.size(0); ++b) rows.push_back(z[b].index_select(0, chosen[b]));
  return at::stack(rows);
}

}  // namespace kaem
