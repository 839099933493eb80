#include "kaem/train/trainer.h"

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <thread>

#include "kaem/baseline/baselines.h"
#include "kaem/core/error.h"
#include "kaem/core/log.h"
#include "kaem/core/str.h"
#include "kaem/core/threads.h"
#include "kaem/data/loader.h"
#include "kaem/data/text.h"
#include "kaem/dist/group.h"
#include "kaem/io/file.h"
#include "kaem/ops/gpu.h"
#include "kaem/prior/prior.h"
#include "kaem/train/memory_limit.h"
#include "kaem/train/update.h"
#include "recorded.h"
#include "session.h"
#include "signals.h"
#include "state.h"
#include "together.h"

namespace kaem {
namespace {

/// The model's parameters and the encoder's; those below `second` may take a learning rate of their own.
std::vector<NamedParameter> trained_parameters(const ModelImpl& model, Posterior& posterior, std::string_view second) {
  std::vector<NamedParameter> parameters;
  for (const auto& p : model.named_parameters())
    if (p.value().requires_grad()) parameters.push_back({p.key(), p.value(), p.key().starts_with(second)});
  if (const auto module = posterior.module())
    for (const auto& p : module->named_parameters()) parameters.push_back({"encoder." + p.key(), p.value(), false});
  return parameters;
}

/// Draws that grids are fitted to. More than so many would sort for minutes and move no knot.
int64_t grid_draws(const Config& config) {
  constexpr int64_t kEnough = 10000;
  return config.grid.samples > 0 ? config.grid.samples : std::min(config.posterior.samples, kEnough);
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

/// The data must make one update at least.
Length length_on(const RunOptions& options, const Dataset& data) {
  const int64_t steps_per_epoch = data.steps_per_epoch(options.batch_size);
  if (steps_per_epoch < 1)
    throw ConfigError(str("[TRAINING] batch_size = ", options.batch_size, ": ", data.name, " has only ",
                          data.train.size(0), " training records"));
  return run_length(options, steps_per_epoch);
}

/// The model on its device, and what was found of its precision.
Model model_on(const Config& config, const DataShape& shape, const std::string& device, const Rng& rng, bool resumed,
               std::string& precision) {
  Model model = make_model(config, shape);
  precision = prepare_precision(config.model.generator, model->prior->latent_shape().front(), shape, device, resumed);
  model->to(at::Device(device));
  if (model->perceptual) model->perceptual->to(at::TensorOptions(at::Device(device)).dtype(at::kFloat));
  // The generator's inputs reach far beyond its configured range: its grid is fitted to prior draws before step 0.
  model->initialise_grids(rng, grid_draws(config));
  return model;
}

std::unique_ptr<Posterior> make_posterior_of(const Config& config, ModelImpl& model, const Dataset& data,
                                             const Length& length, const std::string& device, const Rng& rng) {
  const auto number = at::TensorOptions().dtype(at::kFloat).device(at::Device(device));
  const PosteriorContext context{data.shape, data.train.size(0), length.total, config.run.out, number};
  const BaselineRow* baseline = find_baseline(config.run.mode);
  const auto make = baseline && baseline->posterior ? baseline->posterior : make_posterior;
  auto posterior = make(config.posterior, model, context, rng);
  if (const auto module = posterior->module()) module->to(at::Device(device));
  return posterior;
}

std::unique_ptr<Objective> make_objective_of(const Config& config, const Length& length) {
  const BaselineRow* baseline = find_baseline(config.run.mode);
  if (baseline && baseline->objective) return baseline->objective(config.baseline);
  ObjectiveOptions options = config.objective;
  options.beta = scaled(options.beta, length);
  return make_objective(options);
}

std::string_view second_rate_of(const Config& config) {
  const BaselineRow* baseline = find_baseline(config.run.mode);
  return baseline ? baseline->second_rate : "prior.";
}

/// The first term that is not finite, else the first such gradient: what a user looks at first. Empty: all are.
std::string not_finite(const StepResult& result, const Optimizer& optimizer) {
  if (std::isfinite(result.loss) && std::isfinite(result.gradient_norm)) return "";
  for (const auto& [name, value, measure] : result.terms)
    if (measure != Measure::kSwapRate && !std::isfinite(value)) return str("term '", name, "' is ", value);
  if (!std::isfinite(result.loss)) return str("the loss is ", result.loss);
  for (const auto& p : optimizer.parameters)
    if (p.value.grad().defined() && !p.value.grad().isfinite().all().item<bool>())
      return "the gradient of '" + p.name + "' is not finite";
  return "the norm of the gradient is not finite";
}

/// Waits for a GPU, unless what it does is being recorded.
std::function<void()> settling(const std::string& device) {
  if (!at::Device(device).is_cuda()) return {};
  return [probe = at::zeros({}, at::TensorOptions(at::Device(device)))] {
    if (!ops::is_recording()) (void)probe.item();
  };
}

/// An update that cannot be made.
struct NotFinite : Error {
  NotFinite(int64_t step, const std::string& what)
      : Error(str("update ", step + 1, ": ", what)),
        advice(step == 0 ? "Nothing is learnt yet: a value of the configuration is too large or too small"
                         : "A lower [OPTIMIZER] learning_rate or [TRAINING] max_grad_norm may help") {}
  std::string advice;
};

}  // namespace

Model make_model(const Config& config, const DataShape& shape) {
  const Rng rng(config.run.seed);
  const BaselineRow* baseline = find_baseline(config.run.mode);
  return baseline ? Model(baseline->model(config.baseline, config.model, shape, rng)) : Model(config.model, shape, rng);
}

Trainer::Trainer(Config config, const Dataset& data, TrainOptions options)
    : config_(std::move(config)),
      options_(std::move(options)),
      data_(data),
      device_(prepare_machine(own_part(config_.run, options_.group.get()))),
      length_(length_on(config_.run, data)),
      schedule_(scaled(config_.schedule, length_)),
      rng_(config_.run.seed),
      profile_(options_.profile, settling(device_)),
      network_(check_network(config_, options_)),
      model_(model_on(config_, data.shape, device_, rng_, !options_.resume.empty(), precision_)),
      posterior_(make_posterior_of(config_, *model_, data, length_, device_, rng_)),
      objective_(make_objective_of(config_, length_)),
      optimizer_(make_optimizer(config_.optimizer, trained_parameters(*model_, *posterior_, second_rate_of(config_)))),
      averages_(*model_, config_.optimizer.ema_decay),
      update_({*model_, *posterior_, *objective_, *optimizer_, config_.optimizer.max_grad_norm, rng_, &profile_,
               options_.group.get(), config_.run.data_at_once}) {
  const bool whole = update_.is_whole(config_.run.batch_size);
  if (!whole) refuse_parts(config_, *model_, options_.group.get());
  if (options_.group) share_batches(*model_, *posterior_, *options_.group);
  if (whole && at::Device(device_).is_cuda()) recorded_ = std::make_unique<RecordedUpdate>(update_);
}

bool Trainer::leads() const { return !options_.group || options_.group->leads(); }

Trainer::~Trainer() = default;

int64_t Trainer::replayed() const { return recorded_ ? recorded_->replayed() : 0; }

Batch Trainer::next_batch() {
  const auto timed = Profile::time(&profile_, "waiting for data");
  const at::Device device(device_);
  if (!loader_)
    loader_ = std::make_unique<BatchLoader>(data_, config_.run.batch_size, rng_, /*pinned=*/device.is_cuda());
  const LoadedBatch batch = loader_->get(config_.run.overfit_batch ? 0 : steps_);
  return {batch.x.to(device, /*non_blocking=*/true), batch.index};
}

StepResult Trainer::step(const Batch& batch) {
  StepResult result = recorded_ ? recorded_->gradients(batch, steps_) : update_.gradients(batch, steps_);
  if (const std::string what = not_finite(result, *optimizer_); !what.empty()) {
    constexpr int64_t kMost = 10;
    if (config_.optimizer.not_finite != "skip" || ++skipped_ == kMost) throw NotFinite(steps_, what);
    if (leads()) log::warn(str("update ", steps_ + 1, " is left out: ", what));
    ++steps_, result.skipped = true;
    return result;
  }
  skipped_ = 0;
  const auto timed = Profile::time(&profile_, "optimiser and grids");
  const double factor =
      schedule_factor(schedule_, steps_, length_.scale * static_cast<double>(length_.steps_per_epoch), length_.total);
  result.learning_rate = factor * config_.optimizer.learning_rate;
  optimizer_->step(factor);
  model_->prior->update_statistics(rng_, steps_);
  averages_.update();
  ++steps_;
  if (config_.grid.due(steps_)) result.grid = update_grids();
  return result;
}

/// On fresh prior draws, with the averages carried over to the new knots.
GridUpdate Trainer::update_grids() {
  const at::NoGradGuard no_grad;
  const auto z = model_->prior->view()->sample(grid_draws(config_), rng_, Stream::kGrid, steps_);
  const GridUpdate update = model_->update_grids(z, config_.grid.prior, config_.grid.generator);
  averages_.refit();
  if (recorded_ && update.moved > 0) recorded_->forget();
  return update;
}

io::NamedTensors Trainer::state() {
  auto tensors = model_state(*model_);
  const auto append = [&](const io::NamedTensors& more) { tensors.insert(tensors.end(), more.begin(), more.end()); };
  append(averages_.named_state());
  append(optimizer_->named_state());
  append(posterior_state(*posterior_));
  return tensors;
}

namespace {

/// What ends a run stands in its log; where an update cannot be made, with what is left of the run.
template <class Work>
auto within(Session& session, Work&& work) {
  try {
    return work();
  } catch (const NotFinite& e) {
    const std::string whole =
        str(e.what(), "; the last good checkpoint is ", session.last_checkpoint(), ". ", e.advice);
    Session::record_failure(Error(whole));
    throw Error(whole);
  } catch (const std::exception& e) {
    Session::record_failure(e);
    throw;
  }
}

}  // namespace

void Trainer::begin() {
  if (options_.group) check_alike(settings_text(config_, length_, data_), *options_.group);
  if (leads()) {
    session_ = std::make_unique<Session>(*this);
    if (!precision_.empty()) log::info(precision_);
    within(*session_, [&] { session_->restore(); });
  } else {
    signals_ = std::make_unique<SignalGuard>();
  }
  if (options_.group) share_state();
}

/// Bookkeeping of an update. A signal to any process of a group ends all, once the first one has written its
/// checkpoint.
void Trainer::after(const StepResult& result) {
  const bool stops = result.signal != 0 && steps_ < length_.last;
  try {
    if (session_) session_->tick(result);
  } catch (const Interrupted&) {
    if (options_.group) meet(*options_.group);
    throw;
  }
  if (session_ || !stops) return;
  meet(*options_.group);
  throw Interrupted(str("process ", options_.group->rank(), ": interrupted after update ", steps_), result.signal);
}

/// Brings all processes to where the first one is: a new run's start is the same everywhere already, a checkpoint is
/// not.
void Trainer::share_state() {
  const at::NoGradGuard no_grad;
  const at::Tensor done = at::full({}, steps_, at::kLong);
  options_.group->broadcast(done);
  steps_ = done.item<int64_t>();
  if (steps_ == 0) return;
  for (const auto& [name, tensor] : state()) options_.group->broadcast(tensor);
}

bool Trainer::advance(int64_t updates) {
  if (!session_ && !signals_) throw Error("Trainer::advance: the run was not begun, or is over");
  const auto all = [&] {
    for (int64_t i = 0; i < updates && steps_ < length_.last; ++i) {
      update_.received = SignalGuard::received();
      last_ = step(next_batch());
      if (!options_.group) last_.signal = SignalGuard::received();
      after(last_);
    }
  };
  session_ ? within(*session_, all) : all();
  return steps_ < length_.last;
}

Report Trainer::end() {
  if (!session_ && !signals_) throw Error("Trainer::end: the run was not begun, or is over");
  Report report;
  if (session_) report = within(*session_, [&] { return session_->finish(); });
  if (options_.group) meet(*options_.group);
  if (session_ && options_.at_end) options_.at_end(*this);
  session_.reset(), signals_.reset();
  return report;
}

Report Trainer::fit() {
  begin();
  advance(length_.last);
  return end();
}

Report train(const Config& given, const TrainOptions& options) {
  prepare_machine(given.run);  // before the data are made
  const Dataset data = make_dataset(given.data, pca_of_run(given, options));
  if (options.group && !given.run.memory_limit.empty() && given.run.data_at_once == 0)
    throw UsageError("[TRAINING] memory_limit: several processes would each measure their own; set data_at_once");
  const Config config = within_memory(given, data);
  if (options.group && has_budget(config.run))
    throw UsageError("[TRAINING] budget: several processes would each time their own; N_updates sets the length");
  if (options.resume.empty()) return Trainer(within_budget(config, data), data, options).fit();
  if (has_budget(config.run))
    throw UsageError("[TRAINING] budget is for a new run: one that goes on has its length, which N_updates changes");
  return Trainer(config, data, options).fit();
}

}  // namespace kaem
