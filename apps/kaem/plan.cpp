#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/randint.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <iomanip>
#include <iostream>

#include "commands.h"
#include "kaem/baseline/baselines.h"
#include "kaem/core/duration.h"
#include "kaem/core/error.h"
#include "kaem/core/memory.h"
#include "kaem/core/str.h"
#include "kaem/core/threads.h"
#include "kaem/data/dataset.h"
#include "kaem/data/folder.h"
#include "kaem/model/model.h"
#include "kaem/train/describe.h"
#include "kaem/train/length.h"
#include "kaem/train/trainer.h"

namespace kaem::app {
namespace {

constexpr int kLabel = 14;
constexpr int64_t kFloat = 4;  // bytes

/// Shape of the data without reading them.
DataShape data_shape(const DatasetOptions& options) {
  if (options.use_pca) return {1, 1, options.pca_components};
  if (options.sequence_length > 0) return {1, 1, options.sequence_length};
  DataShape shape{1, 28, 28};
  if (options.name == "FOLDER") shape = folder_shape(options.root);
  for (const auto& info : list_datasets(options.root))
    if (info.name == options.name && info.shape[0] > 0) shape = {info.shape[0], info.shape[1], info.shape[2]};
  if (options.resize.size() == 2) shape[1] = options.resize[0], shape[2] = options.resize[1];
  return shape;
}

std::ostream& label(const char* name) { return std::cout << std::left << std::setw(kLabel) << name; }

/// True if what a plan says of the data can be had by reading them: a second's work, or a file that was named.
bool is_quick_to_read(const Config& config) {
  if (!config.data.darcy_file.empty()) return true;
  const DataKind kind = dataset_traits(config.data.name).kind;
  if (kind != DataKind::kImages && kind != DataKind::kText) return false;
  for (const auto& info : list_datasets(config.data.root))
    if (info.name == config.data.name) return info.trainable;
  return false;
}

/// Records for training and test: those that there are of the ones asked for, if that is quickly known; and the shape
/// of a file that was named.
std::pair<int64_t, int64_t> record_counts(const Config& config, DataShape& shape) {
  std::pair<int64_t, int64_t> counts = {config.data.train_size, config.data.test_size};
  if (is_quick_to_read(config)) {
    DatasetOptions options = config.data;
    options.offline = true, options.use_pca = false, options.progress = nullptr;
    const Dataset data = make_dataset(options);
    counts = {data.train.size(0), data.test.size(0)};
    if (!options.darcy_file.empty() && !config.data.use_pca) shape = data.shape;
  } else if (config.data.name == "FOLDER") {
    const int64_t pictures = folder_pictures(config.data.root), taken = folder_test_size(pictures, counts.second);
    counts = {std::min(counts.first, pictures - taken), taken};
  }
  if (config.run.batch_size > counts.first)
    throw ConfigError(str("[TRAINING] batch_size = ", config.run.batch_size, ": expected 1 to ", counts.first,
                          ", the number of training records of ", config.data.name));
  return counts;
}

void print_data(const Config& config, const DataShape& shape, int64_t train, int64_t test) {
  label("data") << config.data.name << ": " << grouped(train) << " training and " << grouped(test) << " test ";
  if (config.model.generator.seq.use())
    std::cout << "sequences of " << shape[2] << " words, vocabulary of " << grouped(config.data.vocab_size) << "\n";
  else if (config.data.use_pca)
    std::cout << "records as " << shape[2] << " principal components\n";
  else
    std::cout << "records of " << shape[0] << "x" << shape[1] << "x" << shape[2] << "\n";
  for (const auto& info : list_datasets(config.data.root)) {
    if (info.name != config.data.name) continue;
    const auto found = std::ssize(info.found) - std::count(info.found.begin(), info.found.end(), "");
    if (info.files.empty() && info.state == "--data-dir")
      label("") << (config.model.generator.seq.use() ? "the text of " : "all images below ") << config.data.root
                << "\n";
    else if (!config.data.darcy_file.empty())
      label("") << config.data.darcy_file << "\n";
    else if (info.files.empty())
      label("") << "made by the program itself, kept in its cache\n";
    else if (info.complete)
      label("") << "found: " << info.found.front() << (found > 1 ? str(" and ", found - 1, " more") : "") << "\n";
    else if (info.state == "in part")
      label("") << "found in part below " << config.data.root
                << "; without a test file the last training records serve\n";
    else
      label("") << "not complete below " << config.data.root << ": "
                << (info.urls.empty()     ? "no mirror offers it, the run would fail"
                    : config.data.offline ? "the run would fail (--offline)"
                                          : "would be downloaded")
                << "\n";
  }
}

int64_t print_parameters(const ModelImpl& model) {
  int64_t total = 0;
  std::cout << "model\n";
  for (const auto& p : model.named_parameters()) {
    total += p.value().numel();
    std::cout << "  " << std::left << std::setw(38) << p.key() << std::setw(16) << shape_text(p.value().sizes())
              << std::right << std::setw(12) << grouped(p.value().numel()) << "\n";
  }
  std::cout << "  " << std::left << std::setw(54) << "all parameters" << std::right << std::setw(12) << grouped(total)
            << "\n";
  return total;
}

/// Random records in place of the data: what an update takes does not depend on them.
Dataset stand_in(const Config& config, const DataShape& shape) {
  Dataset data;
  data.name = config.data.name, data.shape = shape;
  const int64_t records = std::max<int64_t>(config.run.batch_size, 1);
  if (config.model.generator.seq.use()) {
    data.vocabulary.assign(static_cast<size_t>(config.data.vocab_size), "word");
    data.train = at::randint(config.data.vocab_size, {records, shape[2]}, at::kInt);
  } else {
    data.train = at::rand({records, shape[0], shape[1], shape[2]});
  }
  return data;
}

void print_length(const Config& config, const Length& length) {
  label("steps") << grouped(length.steps_per_epoch) << " an epoch, ";
  if (has_budget(config.run))
    std::cout << "as many as fit in " << config.run.budget;
  else if (config.run.updates > 0)
    std::cout << grouped(length.total) << " updates";
  else
    std::cout << grouped(config.run.epochs) << " epochs: " << grouped(length.total) << " updates";
  if (length.last < length.total) std::cout << ", stopped after " << grouped(length.last);
  if (!config.data.leave_out.empty()) std::cout << ", fewer without the records of classes left out";
  std::cout << " (batch " << config.run.batch_size << ", " << posterior_text(config) << ")\n";
}

/// What updates take on this machine, found by making some on random data.
struct Trial {
  double seconds = 0;      ///< of each; 0: it could not be measured
  int64_t most_bytes = 0;  ///< resident in the program while they were made
  std::string obstacle;
};

Trial try_updates(const Config& config, const DataShape& shape) {
  constexpr double kTrial = 2;  // seconds
  Trial trial;
  try {
    trial.seconds = seconds_per_update(config, stand_in(config, shape), kTrial);
    trial.most_bytes = peak_resident_bytes();
  } catch (const Error& error) {
    if (error.exit_status() == 2)
      throw;  // the configuration's fault; what random data cannot be trained on, others may
    trial.obstacle = error.what();
  }
  return trial;
}

void print_time(const Config& config, const Length& length, const Trial& trial) {
  if (!trial.obstacle.empty()) {
    label("time") << "not measured: " << trial.obstacle << "\n";
    return;
  }
  label("time") << std::round(trial.seconds * 1e4) / 10 << " ms an update here, measured with random data: ";
  if (!has_budget(config.run)) {
    std::cout << clock_text(trial.seconds * static_cast<double>(length.last)) << " in all\n";
    return;
  }
  const double budget = parse_duration(config.run.budget);
  std::cout << "about " << grouped(static_cast<int64_t>(budget / trial.seconds)) << " updates in " << clock_text(budget)
            << "\n";
}

/// `records`: of the data that will be in memory; `before`: what the program held before the updates, the weights once
/// among it.
void print_memory(const Config& c, const ModelImpl& model, int64_t parameters, int64_t records, int64_t before,
                  const Trial& trial) {
  const bool bytes =
      dataset_traits(c.data.name).kind <= DataKind::kPictures && c.data.resize.empty() && !c.data.use_pca;
  const int64_t copies = 4 + (c.optimizer.ema_decay > 0);  // weights, gradients, two moments, averages
  std::vector<std::pair<const char*, int64_t>> parts = {{"LibTorch", before - kFloat * parameters},
                                                        {"weights and optimiser", copies * kFloat * parameters},
                                                        {"data", records * model.data_size() * (bytes ? 1 : kFloat)}};
  parts.emplace_back("a checkpoint", (copies - 1) * kFloat * parameters);  // which is put together before it is written
  if (trial.most_bytes > 0)
    parts.emplace_back("an update", std::max<int64_t>(0, trial.most_bytes - parts[0].second - parts[1].second));
  int64_t sum = 0;
  for (const auto& part : parts) sum += part.second;
  label("memory") << "about " << grouped(sum / 1000000) << " MB:";
  for (const auto& [name, size] : parts)
    std::cout << " " << name << " " << grouped(size / 1000000) << (name == parts.back().first ? "\n" : ",");
}

}  // namespace

void print_plan(const Config& config, const std::string& source) {
  DataShape shape = data_shape(config.data);
  const auto [train, test] = record_counts(config, shape);
  const std::string device = resolve_device(config.run.device);
  // A TorchScript network is a program: nothing is run to make a plan.
  Config alone = config;
  alone.model.generator.use_perceptual_loss = false;
  const Model model = make_model(alone, shape);
  label("plan") << config.run.mode << " training on " << config.run.dataset << "; nothing is written or downloaded\n";
  label("configuration") << source << "\n";
  for (const auto& note : config.notes) label("note") << note << "\n";
  print_data(config, shape, train, test);
  set_threads(config.run.threads);
  label("device") << device << ", " << at::get_num_threads() << " threads, seed " << config.run.seed << "\n";
  const int64_t parameters = print_parameters(*model);
  const Length length = run_length(config.run, train / config.run.batch_size);
  print_length(config, length);
  const int64_t before = resident_bytes();
  const Trial trial = try_updates(alone, shape);
  print_memory(config, *model, parameters, train + test, before, trial);
  print_time(config, length, trial);
  if (const auto& g = config.model.generator; g.use_perceptual_loss)
    label("network") << g.perceptual_features
                     << (std::filesystem::exists(g.perceptual_features)
                             ? ", a TorchScript program, which the run would load and run; the plan does not"
                             : " is not there, the run would fail")
                     << "\n";
  label("run folder") << config.run.out << "/" << config.run.dataset << "/" << config.run.mode << "/"
                      << (config.run.name.empty() ? "(the time)" : config.run.name) << "\n";
}

}  // namespace kaem::app
