#include "session.h"
#include "kaem/prior/prior.h"

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/scalar_tensor.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>

#include "kaem/core/duration.h"
#include "kaem/core/error.h"
#include "kaem/core/log.h"
#include "kaem/core/str.h"
#include "kaem/core/table.h"
#include "kaem/data/pca.h"
#include "kaem/data/text.h"
#include "kaem/dist/group.h"
#include "kaem/io/file.h"
#include "kaem/io/image.h"
#include "kaem/train/describe.h"
#include "state.h"

namespace kaem {
namespace {

io::NamedTensors data_state(const Dataset& data) {
  return {{"data.scale", at::tensor({data.scale_min, data.scale_max}, at::kDouble)},
          {"data.shape", at::tensor({data.shape[0], data.shape[1], data.shape[2]}, at::kLong)}};
}

std::string joined(const std::vector<std::string>& lines) {
  std::string text;
  for (const auto& line : lines) text.append(line).append("\n");
  return text;
}

/// What measures the run, where it is to be measured: refused before there is a folder.
std::unique_ptr<Evaluator> make_evaluator(Trainer& trainer) {
  const RunOptions& run = trainer.config().run;
  if (run.eval_epochs < 1) return nullptr;
  if (!trainer.options().evaluator)
    throw UsageError("[TRAINING] eval_every: nothing is there that measures (TrainOptions::evaluator)");
  auto evaluator = trainer.options().evaluator(trainer);
  const auto columns = evaluator->columns();
  if (!run.keep_best.empty() && std::find(columns.begin(), columns.end(), run.keep_best) == columns.end())
    throw ConfigError("[TRAINING] " + unknown_name_message("keep_best", run.keep_best, columns));
  return evaluator;
}

}  // namespace

Session::Session(Trainer& trainer)
    : trainer_(trainer),
      config_(trainer.config()),
      data_(trainer.data()),
      length_(trainer.length()),
      resumed_(!trainer.options().resume.empty()),
      meta_{trainer.options().command_line, trainer.device(), at::get_num_threads(), data_.sources,
            trainer.options().group ? trainer.options().group->size() : 1},
      evaluator_(make_evaluator(trainer)),
      folder_(resumed_ ? RunFolder::open(trainer.options().resume, config_.run.out)
                       : RunFolder::create(config_, meta_)),
      lock_(folder_.path(), "training in"),
      metrics_(folder_.file(kMetricsFile)),
      events_(folder_.file(kEventsFile), config_.run.tensorboard),
      config_hash_(config_hash(config_)) {
  log::set_file(folder_.file("log.txt"));
  if (const std::string& network = trainer.network(); !network.empty()) {
    const std::string path = kept_config(config_).model.generator.perceptual_features;
    files_[path] = network;
    log::record(log::Level::kInfo, str(path, " (SHA-256 ", network, ") is a TorchScript program and is run"));
  }
  if (!resumed_)
    for (const auto& note : config_.notes) log::info(note);
  for (const auto& note : data_.notes) log::info(note);
  report_start();
  if (evaluator_) metrics_.set_measured_columns(evaluator_->columns());
}

Session::~Session() {
  progress_.reset();
  log::set_file("");
}

void Session::restore() {
  int64_t done = 0;
  if (data_.is_text()) keep_vocabulary(data_);
  if (data_.pca) keep_pca(*data_.pca);
  if (folder_.is_best()) throw UsageError(folder_.path() + "/best: a run goes on from its newest checkpoint");
  if (resumed_ && folder_.checkpoint_steps().empty()) {
    log::warn(folder_.path() + " holds no checkpoint yet: it is trained from its first update");
    metrics_.cut(0, 0);
    cut_events({});
  } else if (resumed_) {
    const auto checkpoint = folder_.load_checkpoint();
    warn_of_changes(checkpoint);
    if (data_.is_text()) folder_.read_kept_file(kVocabularyFile, checkpoint);
    restore_state(trainer_.state(), checkpoint.tensors, checkpoint.path);
    metrics_.restore(checkpoint.tensors);
    if (const auto found = checkpoint.tensors.find(kBestTensor + config_.run.keep_best);
        found != checkpoint.tensors.end())
      best_ = found->second[0].item<double>(), best_step_ = found->second[1].item<int64_t>();
    done = restored_step_ = checkpoint.step, seconds_before_ = checkpoint.seconds, saved_step_ = done;
    cut_metrics(checkpoint);
    cut_events(checkpoint);
    log::info(done < length_.total ? str("going on after update ", done, " of ", length_.total)
                                   : str("all ", length_.total, " updates of the run are done (", done,
                                         " in its checkpoint); --set TRAINING.N_updates=N makes it longer"));
  }
  for (const char* name : {kVocabularyFile, kPcaFile})  // written above or by the run's first session, and never again
    if (std::filesystem::exists(folder_.file(name))) files_[name] = io::sha256(io::read_file(folder_.file(name)));
  if (resumed_) folder_.sweep(), folder_.add_session(done, meta_);
  if (saved_step_ >= 0 && resumed_) folder_.remove_surplus(done, config_.run.keep_checkpoints, best_step_);
  start_ = std::chrono::steady_clock::now();
  progress_.emplace(done, length_.last, length_.steps_per_epoch, config_.run.batch_size, config_.run.quiet);
  events_.configuration(config_, done);
  signals_.emplace();
  trainer_.set_steps(done);
}

std::string Session::last_checkpoint() const {
  const auto saved = folder_.checkpoint_steps();
  return saved.empty() ? "none yet" : folder_.checkpoint_path(saved.back());
}

void Session::tick(const StepResult& result) {
  const auto& run = config_.run;
  const int64_t done = trainer_.steps();
  if (!result.skipped) {
    std::vector<Number> averages = {{"loss", result.loss}};
    averages.insert(averages.end(), result.terms.begin(), result.terms.end());
    averages.push_back({"grad_norm", result.gradient_norm});
    metrics_.add(averages, {{"grid_moved", static_cast<double>(result.grid.moved)},
                            {"grid_halved", static_cast<double>(result.grid.halved)},
                            {"grid_skipped", static_cast<double>(result.grid.skipped)}});
    learning_rate_ = result.learning_rate, loss_sum_ += result.loss, ++loss_count_;
    progress_->update(done, result.loss);
    warn_of_bad_sampling(result.terms);
  }
  const auto each_epochs = [&](int64_t epochs) { return epochs > 0 && done % (epochs * length_.steps_per_epoch) == 0; };
  const bool best = each_epochs(run.eval_epochs) && measure(done);
  if ((done % run.log_steps == 0 || done == length_.total) && loss_count_ > 0) write_row(done);
  if (each_epochs(run.sample_epochs)) write_samples(done);
  if (best || each_epochs(run.checkpoint_epochs) || (run.checkpoint_steps > 0 && done % run.checkpoint_steps == 0))
    save(done);
  if (const int signal = result.signal; signal != 0 && done < length_.last) {
    save(done);
    throw Interrupted(str("interrupted after update ", done,
                          "; its checkpoint is written. Go on with: kaem train --resume ", shell_word(folder_.path())),
                      signal);
  }
}

bool Session::measure(int64_t done) {
  const auto timed = Profile::time(&trainer_.profile(), "measuring held-out data");
  const log::Status status(str("measuring after update ", done));
  trainer_.averages().swap();
  const std::vector<double> values = evaluator_->measure();
  trainer_.averages().swap();
  metrics_.measure(values);
  const auto columns = evaluator_->columns();
  const auto at = std::find(columns.begin(), columns.end(), config_.run.keep_best);
  if (at == columns.end()) return false;
  const double value = values.at(static_cast<size_t>(at - columns.begin()));
  if (!is_better(value)) return false;
  best_ = value, best_step_ = done;
  return true;
}

bool Session::is_better(double value) const {
  if (std::isnan(value) || std::isnan(best_)) return !std::isnan(value);
  return evaluator_->higher_is_better(config_.run.keep_best) ? value > best_ : value < best_;
}

void Session::warn_of_bad_sampling(const std::vector<Number>& terms) {
  constexpr double kFewSamples = 2, kRareSwap = 0.02, kRareMove = 0.005;
  int64_t pair = -1;
  for (const auto& [name, value, measure] : terms) {
    if (measure == Measure::kEss && value < kFewSamples && !warned_of_few_) {
      warned_of_few_ = true;
      if (config_.posterior.proposes()) {  // usual there, and no fault of a run
        log::info(str("effective sample size ", std::round(10 * value) / 10, " of ", config_.posterior.samples,
                      " draws: usual where the likelihood is sharp, the best draws count (docs/choosing.md, Effective "
                      "sample size)"),
                  {{"effective_sample_size", value}});
        continue;
      }
      log::warn(str("effective sample size ", value, " of ", config_.posterior.samples,
                    ": each data point is fitted by its nearest sample; a larger [TRAINING] importance_sample_size",
                    config_.model.generator.likelihood == "gaussian" ? " or [GeneratorModel] generator_variance" : "",
                    " raises it, [POST_LANGEVIN] sampler = proposal needs fewer draws"));
    }
    if (measure == Measure::kAcceptance && value < kRareMove && !warned_of_moves_) {
      warned_of_moves_ = true;
      log::warn(
          str("the chains accept ", 100 * value,
              " % of their moves: they hardly leave where they start. A smaller step ([POST_LANGEVIN] ula_η, pcnl_δ) "
              "may help"));
    }
    if (measure == Measure::kSwapRate) ++pair;
    if (measure == Measure::kSwapRate && value < kRareSwap && !warned_of_swaps_) {
      warned_of_swaps_ = true;
      log::warn(str("temperatures ", pair, " and ", pair + 1, " exchange in ", 100 * value,
                    " % of the attempts only: more temperatures ([THERMODYNAMIC_INTEGRATION] num_temps), "
                    "another p_start and p_end, or schedule = adaptive may help"));
    }
  }
}

void Session::record_failure(const std::exception& error) {
  const std::string_view text = error.what();  // LibTorch's own go on with a back trace
  log::record(log::Level::kError, text.substr(0, text.find('\n')));
}

Report Session::finish() {
  const int64_t done = trainer_.steps();
  save(done);  // before the last row, so that a run that is made longer still has its sums
  if (!metrics_.empty() && loss_count_ > 0) write_row(done);
  if (row_loss_ == 0) row_loss_ = metrics_.last("loss").value_or(0);  // nothing was to do
  write_samples(done);
  signals_.reset();
  if (const Profile& profile = trainer_.profile(); profile.on())
    io::write_file_atomic(folder_.file(kProfileFile), profile.to_json());
  const Report report{done, row_loss_, seconds(), folder_.path(), samples_};
  report_end(report);
  return report;
}

double Session::seconds() const {
  return seconds_before_ + std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
}

void Session::save(int64_t done) {
  if (saved_step_ == done) return;
  const auto timed = Profile::time(&trainer_.profile(), "checkpoints");
  auto tensors = trainer_.state();
  for (const auto& more : {data_state(data_), metrics_.named_state()})
    tensors.insert(tensors.end(), more.begin(), more.end());
  if (best_step_ >= 0)
    tensors.emplace_back(kBestTensor + config_.run.keep_best,
                         at::tensor({best_, static_cast<double>(best_step_)}, at::kDouble));
  metrics_.file().sync(), events_.file().sync();
  Checkpoint checkpoint;
  checkpoint.step = done, checkpoint.epoch = epoch(done), checkpoint.seconds = seconds();
  checkpoint.config_hash = config_hash_, checkpoint.config = to_ini(kept_config(config_)), checkpoint.files = files_;
  for (const auto& [name, file] : {std::pair{kMetricsFile, &metrics_.file()}, {kEventsFile, &events_.file()}})
    if (const std::string held = file->description(); !held.empty()) checkpoint.files[name] = held;
  const std::string before = last_checkpoint();
  try {
    folder_.save_checkpoint(checkpoint, tensors, config_.run.keep_checkpoints, best_step_);
    if (resumed_) folder_.write_config(config_, restored_step_);
  } catch (const Error& e) {
    throw Error(str("checkpoint of update ", done, ": ", e.what(), "; the last good checkpoint is ", before));
  }
  saved_step_ = done;
}

void Session::write_row(int64_t done) {
  events_.row(metrics_.write_row(done, epoch(done), seconds(), learning_rate_), done);
  row_loss_ = loss_sum_ / static_cast<double>(loss_count_);
  loss_sum_ = 0, loss_count_ = 0;
}

/// Rows of metrics.csv after the checkpoint go. So does one that a stop between rows has added, if there is more to do.
void Session::cut_metrics(const Checkpoint& checkpoint) const {
  const int64_t done = checkpoint.step;
  const bool last = done == length_.total || done >= length_.last;
  const auto rows = checkpoint.files.find(kMetricsFile);
  if (rows != checkpoint.files.end() && !metrics_.file().begins_with(rows->second))
    log::warn(folder_.file(kMetricsFile) +
              " is not what the run wrote: rows before the checkpoint were changed or lost");
  else if (rows != checkpoint.files.end() && !last)
    return metrics_.file().cut(rows->second);
  metrics_.cut(done, last ? done : done - done % config_.run.log_steps);
}

/// Events are a view of the run: those that are not what the checkpoint describes are begun anew.
void Session::cut_events(const Checkpoint& checkpoint) const {
  const io::AppendedFile& events = events_.file();
  const auto held = checkpoint.files.find(kEventsFile);
  if (held != checkpoint.files.end()) {
    if (events.begins_with(held->second)) return events.cut(held->second);
    log::warn(events.path() + " is not what the run wrote: it is begun anew, TensorBoard shows what comes from now on");
  }
  if (!events.exists()) return;
  std::error_code ignored;
  std::filesystem::remove(events.path(), ignored);
}

/// Says which values are others than those of the checkpoint, if these change numbers.
void Session::warn_of_changes(const Checkpoint& checkpoint) const {
  constexpr size_t kNamed = 3;
  if (checkpoint.config_hash == config_hash_) return;
  std::vector<ValueChange> changed;
  if (!checkpoint.config.empty()) changed = changed_values(checkpoint.config, to_ini(kept_config(config_)));
  const size_t count = changed.size();
  if (count == 0 && !checkpoint.config.empty()) return;
  if (count > kNamed) changed.resize(kNamed);
  std::string list;
  for (const auto& [key, before, now] : changed)
    list += str(list.empty() ? ": " : "; ", key, " = ", now, " (was ", before, ")");
  if (count > kNamed) list += str("; ", count - kNamed, " more");
  log::warn("the run goes on with another configuration than its checkpoint's" + list);
}

/// The components: what this run means by a coordinate. A resumed run has its data projected on them already.
void Session::keep_pca(const Pca& pca) const {
  const std::string path = folder_.file(kPcaFile);
  if (folder_.checkpoint_steps().empty()) write_pca(path, pca);
}

/// The words of text: what this run means by an index.
void Session::keep_vocabulary(const Dataset& data) const {
  const std::string path = folder_.file(kVocabularyFile);
  if (folder_.checkpoint_steps().empty()) return write_vocabulary(path, data.vocabulary);
  if (parse_vocabulary(io::read_file(path), path) != data.vocabulary)
    throw DataError(path + ": the data have another vocabulary now; a run can only go on with the data it began with");
}

void Session::write_samples(int64_t done) {
  if (sampled_step_ == done) return;
  const auto timed = Profile::time(&trainer_.profile(), "pictures of samples");
  const at::NoGradGuard no_grad;
  // The same uniforms each time, so that one sees the same latents change.
  const Rng rng(config_.run.seed);
  const bool text = data_.is_text();
  ModelImpl& model = *trainer_.model();
  trainer_.averages().swap();
  const auto z = model.prior->view()->sample(config_.run.samples_per_picture, rng, Stream::kSample, 0);
  const auto made = text ? model.generate_sequences(z, rng, Stream::kWords, 0) : model.generate(z);
  events_.prior(*model.prior, z, done);
  trainer_.averages().swap();
  const std::string path = folder_.file(str("samples/step_", done, text ? ".txt" : ".png"));
  try {
    if (text) {
      const auto lines = to_lines(made, data_.vocabulary);
      io::write_file_atomic(path, joined(lines));
      events_.lines(lines, done);
    } else {
      const std::string png = io::png_grid(data_.pca ? data_.pca->reconstruct(made.cpu()) : made.cpu());
      io::write_file_atomic(path, png);
      events_.samples(png, done);
    }
    samples_ = path, sampled_step_ = done;
  } catch (const Error& e) {
    log::warn(str("no samples of update ", done, ": ", e.what()));  // worth no run
  }
}

void Session::report_start() const {
  const std::string data = data_text(data_), model = model_text(config_, *trainer_.model());
  log::info(str("data: ", data), {{"dataset", data_.name}, {"training_records", data_.train.size(0)}});
  log::info(str("model: ", model), {{"model", model}});
  log::info(str("training: ", config_.run.mode, ", ", posterior_text(config_), "; ", length_text(config_, length_),
                " on ", trainer_.device(), ", ", meta_.processes > 1 ? str(meta_.processes, " processes of ") : "",
                at::get_num_threads(), at::get_num_threads() == 1 ? " thread" : " threads"),
            {{"mode", config_.run.mode},
             {"updates", length_.last},
             {"batch_size", config_.run.batch_size},
             {"device", trainer_.device()},
             {"threads", static_cast<int64_t>(at::get_num_threads())}});
  log::info(str("run folder: ", folder_.path()), {{"folder", folder_.path()}});
}

void Session::report_end(const Report& report) const {
  log::set_status_line("");
  const auto& p = report.folder;
  log::info(str("done: ", report.steps, " updates in ", clock_text(report.seconds), ", loss ", report.loss),
            {{"updates", report.steps}, {"seconds", report.seconds}, {"loss", report.loss}});
  if (!report.samples.empty()) {
    const auto ending = std::filesystem::path(report.samples).extension().string();
    log::info(
        str("samples: ", report.samples, "  (more: kaem sample ", shell_word(p), " -n 64 --out samples", ending, ")"));
  }
  if (report.steps < length_.total) log::info("go on: kaem train --resume " + shell_word(p));
}

}  // namespace kaem
