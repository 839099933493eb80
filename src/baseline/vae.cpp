#include "baseline/parts.h"
#include "baseline/rows.h"
#include "kaem/core/error.h"
#include "kaem/model/model.h"
#include "kaem/objective/options.h"
#include "kaem/posterior/options.h"

namespace kaem::baseline {
namespace {

Decoder vae_decoder(const VaeOptions& vae) {
  return {"VAE", "decoder", vae.decoder, vae.decode, vae.widths, vae.batchnorm};
}

/// KAEM's variational training with N(0,I) for a prior.
void settle_vae(BaselineOptions& all, BaselineSettings& settings) {
  VaeOptions& vae = all.vae;
  GeneratorOptions& generator = settings.model.generator;
  vae.latent_dim = latent_of(vae.latent_dim, vae_decoder(vae), generator);
  settle_layers(vae_decoder(vae), generator);
  const bool convolutions = vae.decoder == "cnn";
  if (convolutions && vae.encode.channels.empty())
    throw ConfigError("[VAE] encoder_channels: expected one number or more");
  for (const auto& [name, list] : {std::pair{"[VAE] encoder_strides", &vae.encode.strides},
                                   {"[VAE] encoder_kernels", &vae.encode.kernels},
                                   {"[VAE] encoder_paddings", &vae.encode.paddings}})
    if (convolutions) entry(*list, 0, vae.encode.channels.size(), name);
  EncoderOptions& encoder = settings.posterior.encoder;
  encoder = {};
  encoder.type = convolutions ? "cnn" : "dense";
  encoder.widths = convolutions ? std::vector<int64_t>{} : vae.widths;
  encoder.channels = vae.encode.channels, encoder.strides = vae.encode.strides;
  encoder.kernels = vae.encode.kernels, encoder.paddings = vae.encode.paddings;
  encoder.batch_norm = vae.batchnorm, encoder.activation = "leakyrelu";
  settings.posterior.sampler = "encoder", settings.posterior.chains_per_datum = 1;
  settings.objective.criterion = "variational";
  settings.objective.beta = {.beta = vae.beta};
  settings.learning_rate = vae.learning_rate;
}

std::shared_ptr<ModelImpl> make_vae(const BaselineOptions& all, const ModelOptions& shared, const DataShape& shape,
                                    const Rng& rng) {
  const VaeOptions& vae = all.vae;
  std::vector<int64_t> widths(vae.widths.rbegin(), vae.widths.rend());
  Decoder decoder{"VAE", "decoder", vae.decoder, vae.decode, widths, vae.batchnorm};
  return std::make_shared<ModelImpl>(shared, shape, make_gaussian_prior(vae.latent_dim),
                                     make_decoder(decoder, shared.generator, vae.latent_dim, shape, rng),
                                     make_likelihood(shared.generator));
}

}  // namespace

BaselineRow vae_row() {
  return {.mode = "baseline-vae",
          .section = "VAE",
          .shares = {"GeneratorModel", "GRID_UPDATING", "MIXED_PRECISION"},
          .settle = settle_vae,
          .model = make_vae};
}

}  // namespace kaem::baseline
