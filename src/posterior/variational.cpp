#include <ATen/ATen.h>

#include "kaem/posterior/encoder.h"
#include "kaem/prior/prior.h"
#include "posterior/posteriors.h"

namespace kaem {
namespace {

using at::Tensor;

/// Reparameterised draws of the encoder, with their graph. docs/mathematics.md section 6.
struct EncoderSampling : Posterior {
  EncoderSampling(const PosteriorOptions& options, ModelImpl& model, const Rng& rng)
      : draws(options.chains_per_datum), encoder(options.encoder, model, rng) {}

  Particles sample(const ModelView& view, const Batch& batch, int64_t step, const Rng& rng) override {
    std::vector<int64_t> sizes = {batch.x.size(0), draws};
    for (const int64_t n : view.model.prior->latent_shape()) sizes.push_back(n);
    const Tensor noise = rng.row_normal(Stream::kEncoder, step, sizes, 0, batch.x.options());
    const auto [z, log_q] = encoder->sample(batch.x, noise);
    Particles particles;
    particles.encoded = {z, log_q};
    return particles;
  }

  std::shared_ptr<torch::nn::Module> module() override { return encoder.ptr(); }

  int64_t draws;
  Encoder encoder;
};

}  // namespace

std::unique_ptr<Posterior> make_encoder_posterior(const PosteriorOptions& options, ModelImpl& model,
                                                  const PosteriorContext&, const Rng& rng) {
  return std::make_unique<EncoderSampling>(options, model, rng);
}

}  // namespace kaem
