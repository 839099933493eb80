#include "kaem/evaluate/in_training.h"

#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>

#include "kaem/core/error.h"
#include "kaem/core/log.h"
#include "kaem/core/str.h"
#include "kaem/core/table.h"
#include "kaem/data/cache_folder.h"
#include "kaem/evaluate/evaluation.h"
#include "kaem/prior/prior.h"

namespace kaem::evaluate {
namespace {

constexpr const char* kBefore = "eval_";
constexpr int64_t kDraws = 2000, kLevels = 100, kChains = 4;  // a glance: kaem evaluate has the time for more

std::vector<Metric> metrics_of(const std::string& list) {
  const auto names = metric_names();
  std::vector<Metric> metrics;
  for (const auto& word : words_of(list)) {
    if (std::find(names.begin(), names.end(), word) == names.end())
      throw ConfigError("[TRAINING] " + unknown_name_message("eval_metrics", word, names));
    metrics.push_back(metric_of(word));
  }
  if (metrics.empty()) throw ConfigError(str("[TRAINING] eval_metrics: expected some of ", listed(names)));
  return metrics;
}

/// Of metrics.csv.
std::vector<std::string> columns_of(const std::vector<Metric>& metrics) {
  std::vector<std::string> names;
  for (const Metric& metric : metrics)
    for (const auto& column : evaluate::columns_of(metric)) names.push_back(kBefore + column);
  return names;
}

/// The trainer's run as a trained one is seen; the model is the trainer's own.
LoadedRun run_of(Trainer& trainer) {
  LoadedRun run;
  run.config = trainer.config(), run.model = trainer.model(), run.step = trainer.steps();
  run.device = trainer.device(), run.folder = "the run";
  run.scale_min = trainer.data().scale_min, run.scale_max = trainer.data().scale_max;
  run.vocabulary = trainer.data().vocabulary, run.pca = trainer.data().pca;
  return run;
}

Options options_of(const Config& config, bool normalised) {
  Options options;
  options.count = config.data.test_size, options.generated = config.run.eval_generated;
  options.methods = {normalised ? "is" : "ais"};
  options.samples = kDraws, options.levels = kLevels, options.chains = kChains;
  options.cache = cache_folder();
  return options;
}

class InTraining : public Evaluator {
 public:
  InTraining(Trainer& trainer, std::vector<Metric> metrics)
      : trainer_(trainer),
        metrics_(std::move(metrics)),
        run_(run_of(trainer)),
        evaluation_(run_, trainer.config().data, options_of(trainer.config(), run_.model->prior->normalised()),
                    Rng(trainer.config().run.seed)) {
    evaluation_.use(trainer.data());
    for (const Metric& metric : metrics_)
      if (const std::string why = metric.obstacle(evaluation_); !why.empty())
        throw ConfigError(str("[TRAINING] eval_metrics: ", metric.name, ": ", why));
  }

  std::vector<std::string> columns() const override { return columns_of(metrics_); }

  std::vector<double> measure() override {
    const at::NoGradGuard no_grad;
    evaluation_.forget_model();
    run_.step = trainer_.steps();
    std::vector<double> values;
    for (const Metric& metric : metrics_) {
      const Section section = metric.measure(evaluation_);
      for (size_t i = 0; i < evaluate::columns_of(metric).size(); ++i)
        values.push_back(i < section.scores.size() ? section.scores[i].value : std::nan(""));
    }
    for (const auto& warning : evaluation_.warnings) log::warn(warning);
    evaluation_.warnings.clear();
    return values;
  }

  bool higher_is_better(const std::string& column) const override {
    return std::any_of(metrics_.begin(), metrics_.end(), [&](const Metric& metric) {
      const auto names = evaluate::columns_of(metric);
      const auto is_it = [&](const auto& name) { return kBefore + name == column; };
      return metric.higher_is_better && std::any_of(names.begin(), names.end(), is_it);
    });
  }

 private:
  Trainer& trainer_;
  std::vector<Metric> metrics_;
  LoadedRun run_;
  Evaluation evaluation_;
};

}  // namespace

std::function<std::unique_ptr<Evaluator>(Trainer&)> in_training(const Config& config) {
  if (config.run.eval_epochs < 1) return {};
  const std::vector<Metric> metrics = metrics_of(config.run.eval_metrics);
  const auto columns = columns_of(metrics);
  if (const std::string& best = config.run.keep_best;
      !best.empty() && std::find(columns.begin(), columns.end(), best) == columns.end())
    throw ConfigError("[TRAINING] " + unknown_name_message("keep_best", best, columns));
  return [metrics](Trainer& trainer) { return std::make_unique<InTraining>(trainer, metrics); };
}

}  // namespace kaem::evaluate
