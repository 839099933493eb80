#pragma once

#include "kaem/posterior/posterior.h"

namespace kaem {

struct EncoderImpl;

std::unique_ptr<Posterior> make_importance(const PosteriorOptions& options, ModelImpl& model,
                                           const PosteriorContext& context, const Rng& rng);
std::unique_ptr<Posterior> make_proposal(const PosteriorOptions& options, ModelImpl& model,
                                         const PosteriorContext& context, const Rng& rng);
std::unique_ptr<Posterior> make_langevin(const PosteriorOptions& options, ModelImpl& model,
                                         const PosteriorContext& context, const Rng& rng);
std::unique_ptr<Posterior> make_encoder_posterior(const PosteriorOptions& options, ModelImpl& model,
                                                  const PosteriorContext& context, const Rng& rng);

/// [B] whose gradient is `weight` times that of the evidence bound E_q[log p(x,z) - log q(z|x)] in the encoder's
/// parameters, by one reparameterised draw of (stream kBound, step); the model's parameters see nothing of it.
/// Undefined where the weight is 0 or gradients are disabled. It costs one pass through the generator and back for each
/// datum. docs/mathematics.md section 4.
at::Tensor encoder_bound(const ModelView& view, const at::Tensor& x, EncoderImpl& encoder, double weight,
                         const Rng& rng, int64_t step);

}  // namespace kaem
