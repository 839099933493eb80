#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "kaem/config/config.h"
#include "kaem/data/dataset.h"
#include "kaem/data/pca.h"
#include "kaem/model/model.h"
#include "kaem/train/ema.h"
#include "kaem/train/evaluator.h"
#include "kaem/train/length.h"
#include "kaem/train/optimizer.h"
#include "kaem/train/run.h"
#include "kaem/train/update.h"

namespace kaem {

class BatchLoader;
class Session;
class SignalGuard;
class RecordedUpdate;
namespace dist {
class Group;
}

/// What a run ended with.
struct Report {
  int64_t steps = 0;   ///< updates in all, those before a resume included
  double loss = 0;     ///< mean over the updates since the last row of metrics.csv but one
  double seconds = 0;  ///< training time in all
  std::string folder;
  std::string samples;  ///< the last file of samples; empty if it could not be written
};

class Trainer;

struct TrainOptions {
  std::string resume;                            ///< run folder (or "last") to go on with; empty: a new run
  std::string command_line;                      ///< for meta.json
  std::shared_ptr<dist::Group> group = nullptr;  ///< processes that train the model together; null: this one alone
  bool profile = false;  ///< times the phases of the updates: Trainer::profile, profile.json of a run
  /// Makes what measures the run ([TRAINING] eval_every); must be there if that is on.
  std::function<std::unique_ptr<Evaluator>(Trainer&)> evaluator = {};
  /// Called once all updates are made.
  std::function<void(const Trainer&)> at_end = {};
};

/// The one place that makes an update: model, posterior, criterion, optimiser, averages and grids of a configuration.
/// docs/architecture.md.
///
///     Trainer trainer(config, data);
///     while (trainer.steps() < 100) trainer.step(trainer.next_batch());
class Trainer {
 public:
  /// Grids are fitted to prior draws. `data` must outlive it. Sets LibTorch's thread count, the flushing of denormal
  /// numbers and the keeping of freed memory, and leaves them so. ConfigError if configuration and data do not fit.
  Trainer(Config config, const Dataset& data, TrainOptions options = {});
  ~Trainer();
  Trainer(const Trainer&) = delete;
  Trainer& operator=(const Trainer&) = delete;

  /// The data of the next update, on the device: chosen by (seed, update) alone, and made while the update before ran.
  Batch next_batch();

  /// One update on x [B,D] on the device: particles, criterion, gradients, optimiser, averages; grids when due. If the
  /// loss or the gradient is not finite there is no update: Error, or where [TRAINING] not_finite = skip an Error at
  /// the tenth in a row.
  StepResult step(const Batch& batch);

  /// All updates up to the run's length, with a folder, which rank 0 of a group writes: rows of metrics.csv, pictures,
  /// checkpoints; from the newest checkpoint where a run is resumed. Prints the notes of the configuration and of the
  /// data. Error as `step`, or if the folder cannot be written; Interrupted after SIGINT or SIGTERM, once the update is
  /// finished and its checkpoint written.
  Report fit();

  /// `fit` in parts, for those who look in between: `begin` makes or opens the folder, `advance` makes up to `updates`
  /// updates and returns whether more are to come, `end` writes what a run ends with. Whatever is thrown ends the run.
  void begin();
  bool advance(int64_t updates);
  Report end();

  /// All tensors that change in training, by name: parameters, buffers, averages, the optimiser's and the posterior's
  /// state. They are the trainer's own: what is copied into them, with the number of updates, is gone on with.
  io::NamedTensors state();

  int64_t steps() const { return steps_; }          ///< updates done
  const StepResult& last() const { return last_; }  ///< what the last update of `advance` came to
  void set_steps(int64_t done) { steps_ = done; }

  /// Updates of these that were replays of what a GPU had recorded.
  int64_t replayed() const;

  const Config& config() const { return config_; }
  const TrainOptions& options() const { return options_; }
  const Dataset& data() const { return data_; }
  const Length& length() const { return length_; }
  const std::string& device() const { return device_; }    ///< "cpu" or "cuda:N"
  const std::string& network() const { return network_; }  ///< SHA-256 of the perceptual network's file, or empty
  Model& model() { return model_; }
  Posterior& posterior() { return *posterior_; }
  Optimizer& optimizer() { return *optimizer_; }
  Ema& averages() { return averages_; }
  Profile& profile() { return profile_; }
  const Profile& profile() const { return profile_; }

 private:
  GridUpdate update_grids();
  void share_state();
  void after(const StepResult& result);
  bool leads() const;

  Config config_;
  TrainOptions options_;
  const Dataset& data_;
  std::string device_;
  Length length_;
  ScheduleOptions schedule_;  ///< for a run of this length
  Rng rng_;
  Profile profile_;
  std::string network_;
  std::string precision_;  ///< what was found of it, a line to print
  Model model_;
  std::unique_ptr<Posterior> posterior_;
  std::unique_ptr<Objective> objective_;
  std::unique_ptr<Optimizer> optimizer_;
  Ema averages_;
  Update update_;
  std::unique_ptr<RecordedUpdate> recorded_;  ///< on GPUs only
  std::unique_ptr<BatchLoader> loader_;
  int64_t steps_ = 0, skipped_ = 0;  ///< `skipped_`: of the last updates, one after another
  StepResult last_;
  std::unique_ptr<Session> session_;      ///< between `begin` and `end`, of the process that writes
  std::unique_ptr<SignalGuard> signals_;  ///< the same of the others of a group
};

/// The model that a configuration describes, a KAEM or the baseline of its mode, on the CPU as its seed starts it.
Model make_model(const Config& config, const DataShape& shape);

/// One run from configuration to checkpoint: its data, then Trainer::fit.
Report train(const Config& config, const TrainOptions& options = {});

/// Model and data scale of a run's newest whole checkpoint, on the device asked for; EMA weights where kept.
struct LoadedRun {
  Config config;
  Model model{nullptr};
  int64_t step = 0;
  double seconds = 0;                   ///< training time
  double scale_min = 0, scale_max = 1;  ///< as in Dataset
  std::string folder, device;
  std::vector<std::string> vocabulary;  ///< of text, else empty
  std::shared_ptr<const Pca> pca;       ///< of a run on principal components, else null

  /// What the model made as pictures on the CPU: [n,C,H,W], reconstructed where it made coordinates.
  at::Tensor to_images(const at::Tensor& made) const;
};
LoadedRun load_run(const std::string& path_or_last, const std::string& device = "auto");

/// The sampler that the run's updates use, with its encoder, chains and temperatures as the checkpoint that `run` was
/// loaded from keeps them. `train_size`: of the data whose chains persist. DataError as load_run.
std::unique_ptr<Posterior> load_posterior(LoadedRun& run, int64_t train_size);

/// The device that `name` (auto | cpu | cuda | cuda:N) means here: "cpu" or "cuda:N"; opens the CUDA libraries if it is
/// one. UsageError if it is not there.
std::string resolve_device(const std::string& name);

}  // namespace kaem
