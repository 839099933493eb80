#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <memory>

#include "commands.h"
#include "kaem/core/error.h"
#include "kaem/core/log.h"
#include "kaem/core/str.h"
#include "kaem/core/table.h"
#include "kaem/data/cache_folder.h"
#include "kaem/evaluate/evaluation.h"
#include "kaem/io/file.h"
#include "kaem/mcmc/kernels.h"
#include "kaem/train/trainer.h"

namespace kaem::app {
namespace {

struct EvaluateArguments {
  std::string run, metrics = "loglik", methods = "is,ais", count = "100", samples = "10000", chains = "10",
                   levels = "500", kernel = "mala", generated = "10000", json, csv, reconstructions, nearest, features,
                   statistics, against;
};

constexpr const char* kEvaluateExamples = R"(
Examples:
  kaem evaluate last                                      log p(x) of 100 test data by importance sampling and AIS
  kaem evaluate last --methods ais --levels 2000 --chains 20 --json scores.json
  kaem evaluate last --metrics all --json scores.json     all that can be measured of this run
  kaem evaluate last --metrics fid,kid --features inception-2015-12-05.pt --statistics svhn.npz
  kaem evaluate last --reconstructions rows.png           test data above, posterior means below)";

std::vector<std::string> words_of(const std::string& text) {
  std::vector<std::string> words;
  for (size_t from = 0; from <= text.size();) {
    const size_t comma = std::min(text.find(',', from), text.size());
    if (comma > from) words.push_back(text.substr(from, comma - from));
    from = comma + 1;
  }
  return words;
}

void check_word(const char* what, const std::string& word, const std::vector<std::string>& known) {
  if (std::find(known.begin(), known.end(), word) == known.end())
    throw UsageError(unknown_name_message(what, word, known));
}

evaluate::Options options_of(const EvaluateArguments& a) {
  evaluate::Options o;
  o.count = integer_of("-n", a.count, 1, 1000000), o.samples = integer_of("--samples", a.samples, 1, 100000000);
  o.chains = integer_of("--chains", a.chains, 1, 100000), o.levels = integer_of("--levels", a.levels, 2, 1000000);
  o.generated = integer_of("--generated", a.generated, 16, 10000000);
  o.methods = words_of(a.methods), o.kernel = a.kernel;
  o.against = a.against, o.features = a.features, o.statistics = a.statistics;
  o.reconstructions = a.reconstructions, o.nearest = a.nearest;
  o.cache = cache_folder();
  if (o.methods.empty()) throw UsageError("--methods: expected at least one of is, ss, ais");
  for (const auto& method : o.methods) check_word("method", method, {"is", "ss", "ais"});
  check_word("kernel", a.kernel, mcmc::exact_kernel_names());
  if (o.chains < 2 && std::find(o.methods.begin(), o.methods.end(), "ss") != o.methods.end())
    throw UsageError("--chains 1: stepping-stone sampling (ss) needs at least 2");
  check_targets({{"--json", a.json},
                 {"--csv", a.csv},
                 {"--statistics", a.statistics},
                 {"--reconstructions", a.reconstructions},
                 {"--nearest", a.nearest}});
  for (const auto& [option, picture] : {std::pair{"--reconstructions", a.reconstructions}, {"--nearest", a.nearest}})
    if (!picture.empty() && !picture.ends_with(".png"))
      throw UsageError(str(option, " ", picture, ": expected a name that ends in .png"));
  if (!a.statistics.empty() && !a.statistics.ends_with(".npz"))
    throw UsageError(str("--statistics ", a.statistics, ": expected a name that ends in .npz"));
  return o;
}

/// The metrics asked for, in the table's order for `all`; --reconstructions and --nearest ask for theirs.
std::vector<evaluate::Metric> metrics_of(const EvaluateArguments& a) {
  std::vector<std::string> words = words_of(a.metrics);
  if (words == std::vector<std::string>{"all"}) return evaluate::all_metrics();
  if (words.empty()) throw UsageError(str("--metrics: expected all, or some of ", listed(evaluate::metric_names())));
  for (const auto& [asked, name] :
       {std::pair{!a.reconstructions.empty(), "reconstruction"}, {!a.nearest.empty(), "nearest"}})
    if (asked && std::find(words.begin(), words.end(), name) == words.end()) words.emplace_back(name);
  std::vector<evaluate::Metric> metrics;
  for (const auto& word : words) metrics.push_back(evaluate::metric_of(word));
  return metrics;
}

/// The run's data, in the folder that this command line names.
DatasetOptions data_of(const LoadedRun& run, const Common& common) {
  DatasetOptions options = run.config.data;
  if (!common.data_dir.empty() || !std::filesystem::is_directory(options.root)) options.root = data_dir_of(common);
  options.offline = options.offline || common.offline;
  options.progress = show_progress();
  return options;
}

void write(const std::string& path, const std::string& content, const char* what) {
  if (path.empty()) return;
  io::write_file_atomic(path, content);
  std::cout << path << ": the same as " << what << "\n";
}

void run_evaluation(const EvaluateArguments& a, const Common& common) {
  const auto metrics = metrics_of(a);
  const evaluate::Options options = options_of(a);
  prepare_threads(common);
  const at::NoGradGuard no_grad;
  LoadedRun run = load_run(a.run, common.device.empty() ? "auto" : common.device);
  evaluate::Evaluation evaluation(run, data_of(run, common), options, Rng(seed_of(common, run.config.run.seed)));
  std::vector<evaluate::Metric> measured;
  for (const auto& metric : metrics) {  // before the first of them takes its minutes
    const std::string why = metric.obstacle(evaluation);
    if (!why.empty() && a.metrics != "all") throw UsageError(str("--metrics ", metric.name, ": ", why));
    if (why.empty())
      measured.push_back(metric);
    else
      std::cout << metric.name << ": not measured: " << why << "\n";
  }
  std::vector<evaluate::Section> sections;
  for (const auto& metric : measured) {
    sections.push_back(metric.measure(evaluation));
    for (const auto& warning : evaluation.warnings) log::warn(warning);
    evaluation.warnings.clear();
    std::cout << (metrics.size() > 1 ? "\n" : "") << sections.back().text << std::flush;
  }
  write(a.json, evaluate::to_json(evaluation, sections), "JSON");
  write(a.csv, evaluate::to_csv(sections), "CSV");
}

}  // namespace

Command add_evaluate(CLI::App& program, const Common& common) {
  CLI::App* app = program.add_subcommand("evaluate", "Measure a trained run on test data");
  const auto a = std::make_shared<EvaluateArguments>();
  app->add_option("RUN", a->run, "Folder of a run, or last");
  std::string names;
  for (const auto& metric : evaluate::all_metrics()) names += str("\n", metric.name, ": ", metric.help);
  app->add_option("--metrics", a->metrics, str("all, or some of these, separated by commas (loglik)", names));
  app->add_option("--methods", a->methods, "Estimates of log p(x): is, ss, ais, separated by commas (is,ais)");
  app->add_option("-n,--count", a->count, "Test data (100)")->type_name("N");
  app->add_option("--samples", a->samples, "Draws of importance sampling (10000)")->type_name("N");
  app->add_option("--chains", a->chains, "Chains of each datum (10)")->type_name("N");
  app->add_option("--levels", a->levels, "Temperatures of AIS (500)")->type_name("N");
  app->add_option("--kernel", a->kernel, str("Moves of ss and ais: ", listed(mcmc::exact_kernel_names()), " (mala)"));
  app->add_option("--reconstructions", a->reconstructions, "Picture of test data and posterior means")
      ->type_name("F.png");
  app->add_option("--generated", a->generated, "Samples that are compared with data (10000)")->type_name("N");
  app->add_option("--features", a->features,
                  "Network for fid, kid, precision-recall (else a classifier, trained on the labels)")
      ->type_name("NET.pt");
  app->add_option("--statistics", a->statistics,
                  "Mean and covariance of the data's features: read if there, else written")
      ->type_name("F.npz");
  app->add_option("--against", a->against, "Data set that ood tells the run's own from")->type_name("D");
  app->add_option("--nearest", a->nearest, "Picture of samples and their nearest training data")->type_name("F.png");
  app->add_option("--json", a->json, "The tables as JSON")->type_name("F");
  app->add_option("--csv", a->csv, "The tables as CSV")->type_name("F");
  app->footer(kEvaluateExamples);
  const auto run = [a, &common] {
    if (a->run.empty())
      throw UsageError("kaem evaluate: expected a RUN (a run's folder, or last); see kaem evaluate --help");
    run_evaluation(*a, common);
  };
  return {app,
          run,
          {"device", "threads", "seed", "data-dir", "offline", "log", "deterministic", "quiet", "verbose", "memory"}};
}

}  // namespace kaem::app
