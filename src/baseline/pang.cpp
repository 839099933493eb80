#include <ATen/ATen.h>
#include <torch/nn/modules/linear.h>

#include <cmath>

#include "baseline/parts.h"
#include "baseline/rows.h"
#include "kaem/core/error.h"
#include "kaem/core/str.h"
#include "kaem/model/model.h"
#include "kaem/objective/options.h"
#include "kaem/posterior/options.h"
#include "kaem/prior/tilted.h"

namespace kaem::baseline {
namespace {

using at::Tensor;

/// N(0,I) tilted by a dense network with GELUs between its layers (Pang et al. 2020, section 4 and its code).
struct DensePrior final : TiltedPrior {
  DensePrior(const PangOptions& pang, const DeepOptions& langevin, const Rng& rng)
      : TiltedPrior("gaussian", {-1, 1}, pang.latent_dim, langevin) {
    int64_t width = pang.latent_dim;
    for (const int64_t next : pang.energy_widths) {
      layers.push_back(register_module(str("dense", layers.size()), torch::nn::Linear(width, next)));
      width = next;
    }
    initialise(*this, InitialDraws(rng, "prior"));
  }

  Tensor energy(const Tensor& z) override {
    Tensor h = z;
    for (size_t l = 0; l + 1 < layers.size(); ++l) h = at::gelu(layers[l]->forward(h));
    return layers.back()->forward(h).squeeze(1);
  }

  std::vector<torch::nn::Linear> layers;
};

Decoder pang_decoder(const PangOptions& pang) {
  return {"PANG", "generator", pang.generator, pang.layers, pang.widths};
}

/// KAEM's maximum likelihood by short chains that begin at N(0,I), for the posterior as for the prior.
void settle_pang(BaselineOptions& all, BaselineSettings& settings) {
  PangOptions& pang = all.pang;
  GeneratorOptions& generator = settings.model.generator;
  if (pang.energy_widths.empty() || pang.energy_widths.back() != 1)
    throw ConfigError("[PANG] energy_widths: expected widths that end in 1, the energy");
  pang.latent_dim = latent_of(pang.latent_dim, pang_decoder(pang), generator);
  settle_layers(pang_decoder(pang), generator);
  generator.likelihood = "gaussian", generator.sigma_trainable = false, generator.noise = 0;
  generator.sigma = std::sqrt(pang.likelihood_variance);
  settings.model.prior.deep = {.step_size = pang.prior_step_size, .iters = pang.prior_steps};
  PosteriorOptions& posterior = settings.posterior;
  posterior.sampler = "ula", posterior.chain_start = "base", posterior.chains_per_datum = 1, posterior.unadjusted = 0;
  posterior.step_size = pang.posterior_step_size, posterior.iters = pang.posterior_steps;
  settings.objective.criterion = "maximum_likelihood";
  settings.learning_rate = pang.learning_rate;
}

std::shared_ptr<ModelImpl> make_pang(const BaselineOptions& all, const ModelOptions& shared, const DataShape& shape,
                                     const Rng& rng) {
  const PangOptions& pang = all.pang;
  return std::make_shared<ModelImpl>(shared, shape, std::make_shared<DensePrior>(pang, shared.prior.deep, rng),
                                     make_decoder(pang_decoder(pang), shared.generator, pang.latent_dim, shape, rng),
                                     make_likelihood(shared.generator));
}

}  // namespace

BaselineRow pang_row() {
  return {.mode = "baseline-pang",
          .section = "PANG",
          .shares = {"GeneratorModel", "GRID_UPDATING", "MIXED_PRECISION"},
          .settle = settle_pang,
          .model = make_pang,
          .normalised = false};
}

}  // namespace kaem::baseline
