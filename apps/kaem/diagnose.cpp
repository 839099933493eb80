#include <ATen/core/grad_mode.h>

#include <iostream>
#include <memory>

#include "commands.h"
#include "kaem/core/error.h"
#include "kaem/core/log.h"
#include "kaem/core/str.h"
#include "kaem/core/table.h"
#include "kaem/data/cache_folder.h"
#include "kaem/diagnose/diagnose.h"

namespace kaem::app {
namespace {

struct DiagnoseArguments {
  std::string run, parts = "all", count = "1000", levels = "200", chains = "2", batch = "50", steps = "1000",
                   repeats = "16", features, json, csv;
};

constexpr const char* kDiagnoseExamples = R"(
Examples:
  kaem diagnose last                                    all that can be told of the newest run
  kaem diagnose last --parts prior,pictures -n 2000     does the prior meet the posterior?
  kaem diagnose last --parts chains,gradients           do the run's chains reach it?)";

diagnose::Options diagnose_options(const DiagnoseArguments& a) {
  diagnose::Options o;
  o.data = integer_of("-n", a.count, 64, 1000000), o.levels = integer_of("--levels", a.levels, 2, 1000000);
  o.chains = integer_of("--chains", a.chains, 1, 10000), o.batch = integer_of("--batch", a.batch, 2, 100000);
  o.steps = integer_of("--steps", a.steps, 16, 10000000), o.repeats = integer_of("--repeats", a.repeats, 2, 100000);
  check_targets({{"--json", a.json}, {"--csv", a.csv}});
  return o;
}

std::vector<diagnose::Part> parts_of(const DiagnoseArguments& a) {
  const std::vector<std::string> words = evaluate::words_of(a.parts);
  if (words == std::vector<std::string>{"all"}) return diagnose::all_parts();
  if (words.empty()) throw UsageError(str("--parts: expected all, or some of ", listed(diagnose::part_names())));
  std::vector<diagnose::Part> parts;
  for (const auto& word : words) parts.push_back(diagnose::part_of(word));
  return parts;
}

void run_diagnosis(const DiagnoseArguments& a, const Common& common) {
  const diagnose::Options options = diagnose_options(a);
  const auto asked = parts_of(a);
  prepare_threads(common);
  const at::NoGradGuard no_grad;
  LoadedRun run = load_run(a.run, common.device.empty() ? "auto" : common.device);
  evaluate::Options of_evaluation;
  of_evaluation.count = options.data, of_evaluation.levels = options.levels, of_evaluation.chains = options.chains;
  of_evaluation.features = a.features, of_evaluation.cache = cache_folder();
  evaluate::Evaluation evaluation(run, data_of(run, common), of_evaluation, Rng(seed_of(common, run.config.run.seed)));
  diagnose::Diagnosis diagnosis(evaluation, options);
  std::vector<diagnose::Part> told;
  for (const auto& part : asked) {  // before the first of them takes its minutes
    const std::string why = part.obstacle(diagnosis);
    if (!why.empty() && a.parts != "all") throw UsageError(str("--parts ", part.name, ": ", why));
    if (why.empty())
      told.push_back(part);
    else
      std::cout << part.name << ": not told: " << why << "\n";
  }
  std::vector<evaluate::Section> sections;
  for (const auto& part : told) {
    {
      const log::Status status(str("working on: ", part.help));
      sections.push_back(part.tell(diagnosis));
    }
    for (const auto& warning : evaluation.warnings) log::warn(warning);
    evaluation.warnings.clear();
    std::cout << (sections.size() > 1 ? "\n" : "") << sections.back().text << std::flush;
  }
  write_same(a.json, evaluate::to_json(evaluation, sections), "JSON");
  write_same(a.csv, evaluate::to_csv(sections), "CSV");
}

}  // namespace

Command add_diagnose(CLI::App& program, const Common& common) {
  CLI::App* app = program.add_subcommand("diagnose", "Tell where the quality of a run's samples is lost");
  const auto a = std::make_shared<DiagnoseArguments>();
  std::string names;
  for (const auto& part : diagnose::all_parts()) names += str("\n", part.name, ": ", part.help);
  app->add_option("RUN", a->run, "Folder of a run, or last");
  app->add_option("--parts", a->parts, str("all, or some of these, separated by commas (all)", names));
  app->add_option("-n,--count", a->count, "Test data of whose posteriors draws are taken (1000)")->type_name("N");
  app->add_option("--levels", a->levels, "Temperatures of the annealing that draws them (200)")->type_name("N");
  app->add_option("--chains", a->chains, "Its chains of each data point (2)")->type_name("N");
  app->add_option("--batch", a->batch, "Training data of chains and gradients (50)")->type_name("N");
  app->add_option("--steps", a->steps, "Steps of long chains (1000)")->type_name("N");
  app->add_option("--repeats", a->repeats, "Gradients that are compared (16)")->type_name("N");
  app->add_option("--features", a->features, "Network for pictures (else a classifier, trained on the labels)")
      ->type_name("NET.pt");
  app->add_option("--json", a->json, "The tables as JSON")->type_name("F");
  app->add_option("--csv", a->csv, "The tables as CSV")->type_name("F");
  app->footer(kDiagnoseExamples);
  const auto run = [a, &common] {
    if (a->run.empty())
      throw UsageError("kaem diagnose: expected a RUN (a run's folder, or last); see kaem diagnose --help");
    run_diagnosis(*a, common);
  };
  return {app,
          run,
          {"device", "threads", "seed", "data-dir", "offline", "log", "deterministic", "quiet", "verbose", "memory"}};
}

}  // namespace kaem::app
