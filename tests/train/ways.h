#pragma once

#include <string>
#include <utility>
#include <vector>

#include "kaem/baseline/baselines.h"
#include "kaem/objective/criteria.h"
#include "train/tiny_run.h"

namespace kaem {

/// The same data and optimiser for another model, small.
inline void make_baseline(Config& c, const std::string& mode) {
  const BaselineRow& row = *find_baseline(mode);
  c.run.mode = mode;
  c.baseline.vae.decoder = "kan", c.baseline.vae.widths = {6};
  c.baseline.pang = {.latent_dim = 3,
                     .generator = "dense",
                     .widths = {6},
                     .energy_widths = {4, 1},
                     .prior_steps = 3,
                     .posterior_steps = 3};
  c.baseline.ddpm = {.timesteps = 8, .channels = {4, 8}, .time_dim = 4, .sampling_stride = 4};
  c.baseline.gan.latent_dim = 3, c.baseline.gan.n_critic = 2;
  c.baseline.gan.generator = {{4}, {2, 1}, {4, 3}, {1}}, c.baseline.gan.discriminator = {{4}, {2}, {4}, {1}};
  BaselineSettings settings{c.model, c.posterior, c.objective};
  row.settle(c.baseline, settings);
  if (settings.learning_rate > 0) c.optimizer.learning_rate = settings.learning_rate;
  if (settings.second_rate > 0) c.optimizer.prior_learning_rate = settings.second_rate;
}

/// Every way of training, each with state of its own beside the weights.
inline std::vector<std::pair<std::string, Config>> ways_of_training(const std::string& out) {
  std::vector<std::pair<std::string, Config>> ways;
  const auto add = [&](const std::string& name, const std::string& mode, const std::string& sampler, auto change) {
    Config c = tiny_config(out + "/" + name);
    c.run.mode = mode, c.run.use_variational = mode == "variational";
    c.posterior.sampler = sampler, c.posterior.iters = 3, c.posterior.step_size = 0.01;
    c.objective.criterion = criterion_of_mode(mode).name;
    c.posterior.encoder.widths = {6};
    if (mode == "thermo") c.posterior.tempering.levels = 3, c.posterior.tempering.iters = 4;
    change(c);
    ways.emplace_back(name, c);
  };
  add("persistent", "vanilla", "ula", [](Config& c) { c.posterior.chain_start = "persistent"; });
  add("adaptive", "thermo", "mala", [](Config& c) { c.posterior.tempering.schedule = "adaptive"; });
  add("path", "thermo", "ula", [](Config& c) { c.objective.thermo_gradient = "path"; });
  add("variational", "variational", "encoder", [](Config& c) { c.model.generator.sigma_trainable = true; });
  add("from_encoder", "vanilla", "pcnl", [](Config& c) { c.posterior.chain_start = "encoder"; });
  add("from_proposal", "thermo", "mala",
      [](Config& c) { c.posterior.chain_start = "proposal", c.posterior.preconditioner = "encoder"; });
  add("attention", "vanilla", "importance", [](Config& c) {
    c.model.prior.mixture.enabled = c.model.prior.mixture.use_attention_kernel = true;
    c.model.prior.mixture.lambda_reg = 0.01;
  });
  add("deep", "thermo", "ula", [](Config& c) {
    c.model.prior.layer_widths = {5, 4, 1}, c.model.prior.reference = "gaussian", c.model.prior.layernorm = true;
    c.model.prior.deep.iters = 5;
  });
  add("cnn", "vanilla", "automala", [](Config& c) {
    auto& cnn = c.model.generator.cnn;
    cnn.use = cnn.batchnorm = true;
    cnn.dims = {4}, cnn.strides = {1, 2}, cnn.kernels = {2, 2}, cnn.paddings = {0, 0};
  });
  for (const std::string mode : {"vae", "pang", "ddpm", "gan"})
    add("baseline_" + mode, "vanilla", "importance", [&](Config& c) { make_baseline(c, "baseline-" + mode); });
  return ways;
}

}  // namespace kaem
