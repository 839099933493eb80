#include "kaem/train/trainer.h"

#include <ATen/core/grad_mode.h>

#include <exception>
#include <filesystem>

#include "kaem/core/error.h"
#include "kaem/core/log.h"
#include "kaem/core/str.h"
#include "kaem/data/loader.h"
#include "kaem/data/text.h"
#include "kaem/io/file.h"
#include "kaem/prior/prior.h"
#include "kaem/train/update.h"
#include "session.h"
#include "state.h"

namespace kaem {
namespace {

/// The model's parameters and the encoder's; those of the prior may take a learning rate of their own.
std::vector<NamedParameter> trained_parameters(const ModelImpl& model, Posterior& posterior) {
  std::vector<NamedParameter> parameters;
  for (const auto& p : model.named_parameters())
    if (p.value().requires_grad()) parameters.push_back({p.key(), p.value(), p.key().starts_with("prior.")});
  if (const auto module = posterior.module())
    for (const auto& p : module->named_parameters()) parameters.push_back({"encoder." + p.key(), p.value(), false});
  return parameters;
}

/// Data of update `step`, on the device.
Batch next_batch(const Config& config, BatchLoader& loader, int64_t step, const at::Device& device) {
  const LoadedBatch batch = loader.get(config.run.overfit_batch ? 0 : step);
  return {batch.x.to(device, /*non_blocking=*/true), batch.index};
}

/// Grid update on fresh prior draws, with the averages carried over to the new knots.
GridUpdate update_grids(const Config& config, ModelImpl& model, Ema& ema, const Rng& rng, int64_t done) {
  const at::NoGradGuard no_grad;
  const int64_t draws = config.grid.samples > 0 ? config.grid.samples : config.posterior.samples;
  const auto z = model.prior->view()->sample(draws, rng, Stream::kGrid, done);
  const GridUpdate update = model.update_grids(z, config.grid.prior, config.grid.generator);
  ema.refit();
  return update;
}

/// The components that a resumed run was made with, so that they do not depend on the machine that it goes on.
std::shared_ptr<const Pca> pca_of_run(const Config& config, const TrainOptions& options) {
  if (!config.data.use_pca || options.resume.empty()) return nullptr;
  const RunFolder folder = RunFolder::open(options.resume, config.run.out);
  if (folder.checkpoint_steps().empty()) return nullptr;
  const Checkpoint checkpoint = folder.load_checkpoint();
  if (!std::filesystem::exists(folder.file(kPcaFile)) && !checkpoint.files.contains(kPcaFile))
    throw UsageError("[PCA] use_pca: " + folder.path() + " was not trained on principal components");
  return std::make_shared<Pca>(parse_pca(folder.read_kept_file(kPcaFile, checkpoint), folder.file(kPcaFile)));
}

/// A TorchScript file is a program, which LibTorch runs: that is said, and a resumed run takes none but its own.
/// Returns the file's SHA-256, or an empty string where the run has no such file.
std::string check_network(const Config& config, const TrainOptions& options) {
  const GeneratorOptions& generator = config.model.generator;
  if (!generator.use_perceptual_loss) return "";
  const std::string path = kept_config(config).model.generator.perceptual_features;
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(path, ignored)) return "";  // making the model says what is wrong
  const std::string digest = io::sha256(io::read_file(path));
  if (!options.resume.empty()) {
    const RunFolder folder = RunFolder::open(options.resume, config.run.out);
    if (!folder.checkpoint_steps().empty()) {
      const auto files = folder.load_checkpoint().files;
      if (const auto known = files.find(path); known != files.end() && known->second != digest)
        throw DataError(path +
                        ": not the network that the run was trained with (its SHA-256 is another); under another "
                        "name it is taken as another network");
    }
  }
  log::info(str("perceptual_features: ", path, " (SHA-256 ", digest.substr(0, 16),
                "...) is a TorchScript program and is run: it could read and write files"));
  return digest;
}

}  // namespace

Report train(const Config& config, const TrainOptions& options) {
  const std::string device = prepare_machine(config.run);
  const Dataset data =
      options.dataset != nullptr ? *options.dataset : make_dataset(config.data, pca_of_run(config, options));
  const Length length = run_length(config.run, data);
  const Rng rng(config.run.seed);
  const std::string network = check_network(config, options);
  Model model(config.model, data.shape, rng);
  const std::string precision = prepare_precision(config.model.generator, model->prior->latent_shape().front(),
                                                  data.shape, device, !options.resume.empty());
  model->to(at::Device(device));
  if (model->perceptual) model->perceptual->to(at::TensorOptions(at::Device(device)).dtype(at::kFloat));
  const auto number = at::TensorOptions().dtype(at::kFloat).device(at::Device(device));
  const PosteriorContext context{data.shape, data.train.size(0), length.total, config.run.out, number};
  const auto posterior = make_posterior(config.posterior, *model, context, rng);
  if (const auto module = posterior->module()) module->to(at::Device(device));
  const auto objective = make_objective(config.objective);

  // The generator's inputs reach far beyond its configured range: its grid is fitted to prior draws before step 0.
  model->initialise_grids(rng, config.grid.samples > 0 ? config.grid.samples : config.posterior.samples);
  const auto optimizer = make_optimizer(config.optimizer, trained_parameters(*model, *posterior));
  Ema ema(*model, config.optimizer.ema_decay);

  BatchLoader loader(data, config.run.batch_size, rng, /*pinned=*/at::Device(device).is_cuda());
  const TrainState state{*model, *posterior, *optimizer, ema, data};
  Update update(config, *model, *posterior, *objective, *optimizer, rng);
  Session session(config, options, data, device, length, network);
  if (!precision.empty()) log::info(precision);
  try {
    int64_t step = session.restore(state);
    for (; step < length.last; ++step) {
      const Batch batch = next_batch(config, loader, step, at::Device(device));
      StepValues values = session.checked(step, update.gradients(batch, step), *optimizer);
      const double factor = schedule_factor(config.schedule, step, length.steps_per_epoch, length.total);
      values.learning_rate = factor * config.optimizer.learning_rate;
      optimizer->step(factor);
      model->prior->update_statistics(rng, step);
      ema.update();

      if (config.grid.due(step + 1)) {
        values.grid = update_grids(config, *model, ema, rng, step + 1);
        if (values.grid.moved > 0) update.forget();
      }
      session.tick(step + 1, values, state);
    }
    return session.finish(step, state);
  } catch (const std::exception& e) {
    session.record_failure(e);
    throw;
  }
}

at::Tensor LoadedRun::to_images(const at::Tensor& made) const {
  return pca ? pca->reconstruct(made.cpu()) : made.cpu();
}

LoadedRun load_run(const std::string& path_or_last, const std::string& device) {
  const auto folder = RunFolder::open(path_or_last);
  const auto checkpoint = folder.load_checkpoint();
  LoadedRun run;
  run.config = folder.config_of(checkpoint);
  run.step = checkpoint.step, run.folder = folder.path(), run.device = resolve_device(device);
  const auto number = [&](const char* name, int64_t i) {
    const auto found = checkpoint.tensors.find(name);
    if (found == checkpoint.tensors.end() || found->second.numel() <= i)
      throw DataError(str(checkpoint.path, ": has no tensor ", name));
    return found->second[i].item<double>();
  };
  DataShape shape;
  for (size_t i = 0; i < 3; ++i) shape[i] = static_cast<int64_t>(number("data.shape", static_cast<int64_t>(i)));
  if (run.config.model.generator.seq.use())
    run.vocabulary = parse_vocabulary(folder.read_kept_file(kVocabularyFile, checkpoint), folder.file(kVocabularyFile));
  if (run.config.data.use_pca)
    run.pca = std::make_shared<Pca>(parse_pca(folder.read_kept_file(kPcaFile, checkpoint), folder.file(kPcaFile)));
  run.scale_min = number("data.scale", 0), run.scale_max = number("data.scale", 1);

  ModelOptions options = run.config.model;
  options.generator.use_perceptual_loss = false;  // its file is needed for training only
  run.model = Model(options, shape, Rng(run.config.run.seed));
  io::NamedTensors wanted;
  for (const auto& v : named_values(*run.model)) {
    const bool averaged = checkpoint.tensors.contains("ema." + v.name);
    wanted.emplace_back((averaged ? "ema." : "model.") + v.name, v.value);
  }
  restore_state(wanted, checkpoint.tensors, checkpoint.path);
  run.model->to(at::Device(run.device));
  run.model->eval();
  for (auto& p : run.model->parameters()) p.set_requires_grad(false);
  return run;
}

}  // namespace kaem
