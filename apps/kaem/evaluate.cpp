#include <ATen/core/grad_mode.h>

#include <iostream>
#include <memory>

#include "commands.h"
#include "kaem/core/error.h"
#include "kaem/core/log.h"
#include "kaem/core/str.h"
#include "kaem/evaluate/evaluation.h"
#include "kaem/train/trainer.h"
#include "measures.h"

namespace kaem::app {
namespace {

struct EvaluateArguments : MeasureArguments {
  EvaluateArguments() { metrics = "loglik"; }
  std::string run, json, csv, reconstructions, nearest;
};

constexpr const char* kEvaluateExamples = R"(
Examples:
  kaem evaluate last                                      log p(x) of 100 test data by importance sampling and AIS
  kaem evaluate last --methods ais --levels 2000 --chains 20 --json scores.json
  kaem evaluate last --metrics all --json scores.json     all that can be measured of this run
  kaem evaluate last --metrics fid,kid --features inception-2015-12-05.pt --statistics svhn.npz
  kaem evaluate last --reconstructions rows.png           test data above, posterior means below)";

evaluate::Options evaluate_options(const EvaluateArguments& a) {
  evaluate::Options o = options_of(a);
  o.reconstructions = a.reconstructions, o.nearest = a.nearest;
  check_targets({{"--json", a.json},
                 {"--csv", a.csv},
                 {"--statistics", a.statistics},
                 {"--reconstructions", a.reconstructions},
                 {"--nearest", a.nearest}});
  for (const auto& [option, picture] : {std::pair{"--reconstructions", a.reconstructions}, {"--nearest", a.nearest}})
    if (!picture.empty() && !picture.ends_with(".png"))
      throw UsageError(str(option, " ", picture, ": expected a name that ends in .png"));
  return o;
}

void run_evaluation(const EvaluateArguments& a, const Common& common) {
  const evaluate::Options options = evaluate_options(a);
  std::vector<std::string> asked;
  if (!a.reconstructions.empty()) asked.emplace_back("reconstruction");
  if (!a.nearest.empty()) asked.emplace_back("nearest");
  const auto metrics = metrics_of(a, asked);
  if (!options.against.empty() &&
      std::none_of(metrics.begin(), metrics.end(), [](const auto& metric) { return metric.name == "ood"; }))
    log::warn("--against has no effect: of the metrics ood alone takes it");
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
    {
      const log::Status status(str("measuring ", metric.name));
      sections.push_back(metric.measure(evaluation));
    }
    for (const auto& warning : evaluation.warnings) log::warn(warning);
    evaluation.warnings.clear();
    std::cout << (metrics.size() > 1 ? "\n" : "") << sections.back().text << std::flush;
  }
  write_same(a.json, evaluate::to_json(evaluation, sections), "JSON");
  write_same(a.csv, evaluate::to_csv(sections), "CSV");
}

}  // namespace

Command add_evaluate(CLI::App& program, const Common& common) {
  CLI::App* app = program.add_subcommand("evaluate", "Measure a trained run on test data");
  const auto a = std::make_shared<EvaluateArguments>();
  app->add_option("RUN", a->run, "Folder of a run, or last");
  add_measure_options(*app, *a);
  app->add_option("--reconstructions", a->reconstructions, "Picture of test data and posterior means")
      ->type_name("F.png");
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
