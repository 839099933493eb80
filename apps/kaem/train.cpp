#include "kaem/train/trainer.h"

#include <filesystem>
#include <iostream>
#include <memory>

#include "commands.h"
#include "kaem/baseline/baselines.h"
#include "kaem/core/error.h"
#include "kaem/core/log.h"
#include "kaem/core/str.h"
#include "kaem/core/table.h"
#include "kaem/dist/group.h"
#include "kaem/evaluate/in_training.h"
#include "kaem/report/report.h"
#include "kaem/train/run.h"

namespace kaem::app {
namespace {

struct TrainArguments {
  std::string dataset, mode, config, resume, help_config;
  bool profile = false;
  CLI::Option *resume_option = nullptr, *help_option = nullptr;
};

constexpr const char* kTrainExamples = R"(
Examples:
  kaem train --dataset MNIST --mode vanilla
  kaem train --dataset MNIST --config mine.ini --set OPTIMIZER.learning_rate=5e-4 --seed 2
  kaem train --dataset DARCY_FLOW --dry-run
  kaem train --dataset SVHN --budget 30m
  kaem train --resume runs/MNIST/vanilla/short --max-steps 4000)";

/// What is decided by the command line alone and stands in no file.
void apply_session(Config& config, const Common& common) {
  if (!common.out.empty()) config.run.out = common.out;
  config.run.name = common.name;
  config.run.quiet = common.quiet;
  config.run.log_format = common.log_format;
  config.data.offline = common.offline;
  config.data.progress = show_progress();
}

void print_help_config(const std::string& format) {
  if (format.empty() || format == "text")
    std::cout << configuration_help();
  else if (format == "markdown")
    std::cout << configuration_markdown();
  else
    throw UsageError(str("--help-config ", format, ": expected text or markdown"));
}

void run_training(const Config& config, const std::string& resume, bool profile, const Common& common) {
  const dist::Place place = dist::place_here();
  const auto group = place.size > 1 ? std::make_shared<dist::Group>(place) : nullptr;
  if (group && !group->leads()) log::set_level(log::Level::kError);  // the first process speaks for all
  TrainOptions options;
  options.profile = profile;
  options.resume = resume;
  options.command_line = common.command_line;
  options.group = group;
  options.evaluator = evaluate::in_training(config);
  const bool leads = !group || group->leads();
  std::vector<Profile::Row> phases;
  if (profile) options.at_end = [&](const Trainer& trainer) { phases = trainer.profile().rows(); };
  const Report done = train(config, options);
  if (!leads) return;
  if (profile) std::cout << to_text(phases);
  try {
    log::info("report: " + report::write_page(done.folder));
  } catch (const Error& e) {  // worth no run
    log::warn(str("there is no report of the run: ", e.what()));
  }
}

/// A new run: the file of the data set unless one is named.
void start(const TrainArguments& a, const Common& common) {
  if (a.dataset.empty() && a.config.empty())
    throw UsageError(
        "kaem train: expected --dataset D (MNIST, DARCY_FLOW, ...), --config F or --resume; see kaem train --help");
  const std::string path = a.config.empty() ? default_config_path(a.dataset, a.mode) : a.config;
  Config config = load_config(path, overrides_of(common), a.dataset, a.mode);
  apply_session(config, common);
  if (config.run.verbose && !common.quiet) log::set_level(log::Level::kDebug);
  if (common.dry_run) return print_plan(config, path);
  run_training(config, "", a.profile, common);
}

/// Goes on with a run: its own configuration, with what this command line changes.
void go_on(const TrainArguments& a, const Common& common) {
  for (const auto& [option, value] : {std::pair{"--config", a.config}, {"--name", common.name}})
    if (!value.empty()) throw UsageError(str("--resume goes on with a run and its configuration: leave out ", option));
  if (!common.budget.empty())
    throw UsageError(
        "--budget decides the length of a new run; --set TRAINING.N_updates=N gives one that goes on another length");
  const std::string runs = common.out.empty() ? RunOptions{}.out : common.out;
  const auto folder = RunFolder::open(a.resume.empty() ? "last" : a.resume, runs);
  if (folder.is_best()) throw UsageError(a.resume + ": a run goes on from its newest checkpoint; leave out /best");
  const std::string path = folder.file("config.ini");
  const Config before = folder.config();
  Config config = parse_config(to_ini(before), path, overrides_of(common, before.data.root), a.dataset, a.mode);
  if (config.run.dataset != before.run.dataset)
    throw UsageError(str("data set ", config.run.dataset, ": ", folder.path(), " is a run on ", before.run.dataset));
  if (config.run.mode != before.run.mode && (find_baseline(config.run.mode) || find_baseline(before.run.mode)))
    throw UsageError(str("mode ", config.run.mode, ": ", folder.path(), " is a run in mode ", before.run.mode));
  apply_session(config, common);
  if (common.dry_run) return print_plan(config, path);
  run_training(config, folder.path(), a.profile, common);
}

}  // namespace

Command add_train(CLI::App& program, const Common& common) {
  CLI::App* app = program.add_subcommand("train", "Train a model");
  const auto a = std::make_shared<TrainArguments>();
  app->add_option("--dataset", a->dataset, "Data set: one of those of kaem data list")->type_name("D");
  app->add_option("--mode", a->mode, str("What is trained, and how: ", listed(run_modes())))->type_name("M");
  app->add_option("--config", a->config, "Configuration file (else the data set's in config/)")->type_name("FILE");
  a->resume_option =
      app->add_option("--resume", a->resume, "Go on with a run (else the newest)")->type_name("[RUN]")->expected(0, 1);
  app->add_flag(
      "--profile", a->profile,
      "Time the phases of the updates: a table, and a trace for Perfetto or chrome://tracing (RUN/profile.json)");
  a->help_option = app->add_option("--help-config", a->help_config,
                                   "Print every key of the configuration and exit (text or markdown)")
                       ->type_name("[FORMAT]")
                       ->expected(0, 1);
  app->footer(kTrainExamples);
  const auto run = [a, &common] {
    if (a->help_option->count() > 0) return print_help_config(a->help_config);
    return a->resume_option->count() > 0 ? go_on(*a, common) : start(*a, common);
  };
  return {app,
          run,
          {"set", "device", "threads", "seed", "data-dir", "out", "max-steps", "budget", "name", "resize",
           "overfit-batch", "log", "offline", "deterministic", "quiet", "verbose", "memory", "dry-run"}};
}

}  // namespace kaem::app
