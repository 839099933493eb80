// Trained runs, read back from their folders.
#include <ATen/core/grad_mode.h>

#include <algorithm>

#include "kaem/core/error.h"
#include "kaem/core/str.h"
#include "kaem/data/text.h"
#include "kaem/prior/prior.h"
#include "kaem/train/trainer.h"
#include "state.h"

namespace kaem {

at::Tensor LoadedRun::to_images(const at::Tensor& made) const {
  return pca ? pca->reconstruct(made.cpu()) : made.cpu();
}

LoadedRun load_run(const std::string& path_or_last, const std::string& device) {
  const auto folder = RunFolder::open(path_or_last);
  const auto checkpoint = folder.load_checkpoint();
  LoadedRun run;
  run.config = folder.config_of(checkpoint);
  run.step = checkpoint.step, run.seconds = checkpoint.seconds, run.folder = folder.path(),
  run.device = resolve_device(device);
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

  Config alone = run.config;
  alone.model.generator.use_perceptual_loss = false;  // its file is needed for training only
  run.model = make_model(alone, shape);
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

std::unique_ptr<Posterior> load_posterior(LoadedRun& run, int64_t train_size) {
  const auto checkpoint = RunFolder::open(run.folder).load_checkpoint(run.step);
  const auto number = at::TensorOptions().dtype(at::kFloat).device(at::Device(run.device));
  const PosteriorContext context{run.model->shape, train_size, std::max<int64_t>(1, run.step), run.config.run.out,
                                 number};
  auto posterior = make_posterior(run.config.posterior, *run.model, context, Rng(run.config.run.seed));
  if (const auto module = posterior->module()) module->to(at::Device(run.device));
  restore_state(posterior_state(*posterior), checkpoint.tensors, checkpoint.path);
  if (const auto module = posterior->module()) module->eval();
  return posterior;
}

}  // namespace kaem
