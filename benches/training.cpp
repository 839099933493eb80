#include <ATen/ATen.h>

#include "kaem/core/str.h"
#include "kaem/prior/prior.h"
#include "lower_bound.h"
#include "step.h"

/// Whole updates, as the trainer makes them, of the data sets' own configurations.
namespace kaem::bench {
namespace {

using at::Tensor;

/// What every update needs once the particles are there: gradients at `rows` of them, the prior's table, Adam.
void add_update(LowerBound& bound, const Config& config, const Model& model, int64_t rows) {
  bound.generator_forward(*model, rows);
  bound.generator_weights(*model, rows);
  bound.generator_inputs(*model, rows, 1, /*of_parameters=*/true);
  if (config.model.prior.is_deep()) {
    bound.deep_prior(config.model.prior, 2 * rows, 2);  // posterior and prior samples; as many products for the weights
  } else {
    bound.prior_values(config.model.prior, rows);
    bound.prior_table(config.model.prior);
  }
  bound.adam(*model);
}

/// Importance sampling: draws that all data share, and the distances of both.
void add_importance(LowerBound& bound, const Config& config, const Model& model, at::Device device) {
  const int64_t samples = config.posterior.samples, batch = config.run.batch_size, pixels = model->data_size();
  const auto random = [&](int64_t rows, int64_t columns) { return at::rand({rows, columns}, device); };
  const Tensor x = random(batch, pixels), generated = random(samples, pixels), weights = random(batch, samples);
  bound.draws(config.model.prior, samples);
  bound.product("likelihood", x, generated.t());
  bound.product("likelihood backward", weights.t(), x);
  add_update(bound, config, model, samples);
}

/// Chains: a pass through the generator and back for each step. With temperatures, level 0 is drawn afresh for every
/// second exchange (the even pairs'), and the last states are looked at once more.
void add_chains(LowerBound& bound, const Config& config, const Model& model) {
  const auto& tempering = config.posterior.tempering;
  const bool tempered = tempering.levels > 1;
  const int64_t batch = config.run.batch_size, rows = batch * (tempered ? tempering.levels : 1);
  const auto steps = static_cast<double>(tempered ? tempering.iters : config.posterior.iters);
  bound.generator_forward(*model, rows, steps + (tempered ? 1 : 0));
  bound.generator_inputs(*model, rows, steps);
  if (config.model.prior.is_deep()) {
    bound.deep_prior(config.model.prior, rows, steps);
    bound.deep_prior(config.model.prior, batch, static_cast<double>(config.model.prior.deep.iters));
  } else {
    bound.draws(config.model.prior, rows);
    bound.prior_values(config.model.prior, rows, steps);
  }
  if (tempered) {
    bound.draws(config.model.prior, batch, steps / 2);
    bound.generator_forward(*model, batch, steps / 2);
  }
  add_update(bound, config, model, rows);
}

/// The shapes that are timed stay what they are when the defaults of training move.
std::string file_of(const std::string& dataset) { return dataset == "SVHN" ? "bench/svhn.ini" : "bench/mnist.ini"; }

Result step_of(const Options& options, const std::string& file, const std::string& dataset, const std::string& mode,
               const std::vector<Override>& overrides) {
  const Config config = configuration(options, file, dataset, mode, overrides);
  const at::Device device(options.device);
  std::string note;
  const Dataset data = data_or_synthetic(options, config, note);
  const auto trainer = make_trainer(config, data, options);
  LowerBound bound(device);
  if (sampler_kind(config.posterior.sampler) == SamplerKind::kImportance)
    add_importance(bound, config, trainer->model(), device);
  else
    add_chains(bound, config, trainer->model());
  Result result = measure([&] { trainer->step(trainer->next_batch()); }, bound);
  result.note = str(note, ", ", result.note);
  return result;
}

/// The same update in bfloat16; its "bound" is the update in float32.
Result reduced_step_of(const Options& options, const std::string& dataset, std::vector<Override> overrides) {
  const at::Device device(options.device);
  overrides.push_back({"MIXED_PRECISION", "reduced_precision", "FP32"});
  const Config full = configuration(options, file_of(dataset), dataset, "vanilla", overrides);
  overrides.back().value = "BF16";
  const Config reduced = configuration(options, file_of(dataset), dataset, "vanilla", overrides);
  std::string note;
  const Dataset data = data_or_synthetic(options, full, note);
  const auto half = make_trainer(reduced, data, options), other = make_trainer(full, data, options);
  const auto update = [&](Trainer& trainer) { trainer.step(trainer.next_batch()); };
  LowerBound bound(device);
  bound.add("the same in FP32", [&] {
    const at::AutoGradMode with_graph(true);
    update(*other);
  });
  Result result = measure([&] { update(*half); }, bound);
  result.note = str(note, ", ", result.note);
  return result;
}

Override set(const std::string& section, const std::string& key, int64_t value) {
  return {section, key, std::to_string(value)};
}

Result importance(const Options& options, int64_t samples) {
  return step_of(options, file_of("MNIST"), "MNIST", "vanilla", {set("TRAINING", "importance_sample_size", samples)});
}

Result thermo(const Options& options, const std::string& dataset, int64_t temperatures) {
  return step_of(options, file_of(dataset), dataset, "thermo",
                 {set("THERMODYNAMIC_INTEGRATION", "num_temps", temperatures),
                  set("THERMODYNAMIC_INTEGRATION", "N_langevin_per_temp", 10)});
}

}  // namespace

Result mnist_is_step(const Options& options) { return importance(options, 100); }
Result mnist_is_step_1000(const Options& options) { return importance(options, 1000); }

Result mnist_ula_step(const Options& options) {
  return step_of(options, file_of("MNIST"), "MNIST", "vanilla",
                 {{"POST_LANGEVIN", "sampler", "ula"}, set("POST_LANGEVIN", "iters", 40)});
}

Result mnist_thermo_step(const Options& options) { return thermo(options, "MNIST", 5); }
Result mnist_thermo_step_2(const Options& options) { return thermo(options, "MNIST", 2); }
Result mnist_thermo_step_10(const Options& options) { return thermo(options, "MNIST", 10); }
Result mnist_thermo_step_20(const Options& options) { return thermo(options, "MNIST", 20); }

Result svhn_ula_step(const Options& options) { return step_of(options, file_of("SVHN"), "SVHN", "vanilla", {}); }
Result svhn_thermo_step(const Options& options) { return thermo(options, "SVHN", 5); }

Result svhn_pang_step(const Options& options) {
  return step_of(options, "reference/svhn_pang_config.ini", "SVHN", "vanilla",
                 {set("TRAINING", "batch_size", 100), set("POST_LANGEVIN", "iters", 20)});
}

Result mnist_is_step_1000_bf16(const Options& options) {
  return reduced_step_of(options, "MNIST", {set("TRAINING", "importance_sample_size", 1000)});
}
Result svhn_ula_step_bf16(const Options& options) { return reduced_step_of(options, "SVHN", {}); }

}  // namespace kaem::bench
