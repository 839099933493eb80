#pragma once

#include <ATen/core/Tensor.h>

#include "kaem/posterior/encoder.h"

namespace kaem {

/// Draws of an encoder and of the prior for each datum, and what weighs them.
struct ProposedDraws {
  at::Tensor z;               ///< [B,S,latent...], those of the encoder first
  at::Tensor log_likelihood;  ///< log p(x|z) [B,S]
  at::Tensor log_ratio;       ///< log p(z) - log q̄(z) [B,S], q̄ the mixture of both in their shares

  /// log of the weights for log p(z) + t log p(x|z), not normalised: [B,S].
  at::Tensor log_weight(double t) const { return t * log_likelihood + log_ratio; }
};

/// A proposal that is a mixture of the encoder and the prior, both in fixed numbers (a defensive mixture, Hesterberg
/// 1995): the weights p(x,z)/q̄(z) of all draws are bounded by p(x|z)/share, however wrong the encoder is.
/// docs/mathematics.md section 4.
class DefensiveProposal {
 public:
  /// ConfigError where nothing is left for the encoder.
  explicit DefensiveProposal(const PosteriorOptions& options);

  /// Without a graph, by the numbers of (streams kEncoder and kPrior, step).
  ProposedDraws draw(const ModelView& view, EncoderImpl& encoder, const at::Tensor& x, int64_t step,
                     const Rng& rng) const;

 private:
  int64_t from_prior_, from_encoder_;
};

/// `count` of the S draws z [B,S,latent...] of each datum, chosen by their weights [B,S] (of sum 1) with stratified
/// uniforms u [B,count]: [B,count,latent...].
at::Tensor choose(const at::Tensor& z, const at::Tensor& weight, const at::Tensor& u);

}  // namespace kaem
