#include <algorithm>
#include <cmath>
#include <filesystem>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>

#include "child.h"
#include "commands.h"
#include "job_state.h"
#include "kaem/core/error.h"
#include "kaem/core/log.h"
#include "kaem/core/str.h"
#include "kaem/core/table.h"
#include "kaem/io/file.h"
#include "tune_plan.h"
#include "tune_state.h"

namespace kaem::app {
namespace {

namespace fs = std::filesystem;

constexpr const char* kTuneExamples = R"(
Ranges stand in [TUNING] of the file, or in --set: SECTION.key = uniform A B, log A B, int A B, or choice A B C.

Examples:
  kaem tune --dataset MNIST --max-steps 500
  kaem tune --config mine.ini --name rates --set "TUNING.OPTIMIZER.learning_rate=log 1e-4 1e-2" --set TUNING.num_trials=8
  kaem tune --dataset MNIST --set TUNING.sampler=halving --dry-run
  kaem tune --dataset MNIST --resume          go on with the newest search on that data set)";

/// A search at work.
class Tuning {
 public:
  Tuning(TunePlan plan, const Common& common)
      : plan_(std::move(plan)),
        common_(common),
        lock_(plan_.folder),
        table_(plan_.folder + "/results.csv", plan_.search) {
    const std::string path = plan_.folder + "/search.ini", text = plan_text(plan_);
    std::error_code ignored;
    if (!fs::exists(path, ignored))
      io::write_file_atomic(path, text);
    else if (io::read_file(path) != text)
      throw UsageError(str(path, ": the search was begun with other settings; give it the same, or another --name"));
  }

  /// Error if no trial succeeds; Interrupted after a signal.
  void run() {
    std::vector<int64_t> trials(static_cast<size_t>(plan_.rounds.front().trials));
    for (size_t i = 0; i < trials.size(); ++i) trials[i] = static_cast<int64_t>(i);
    for (size_t r = 0; r < plan_.rounds.size(); ++r) {
      const auto& round = plan_.rounds[r];
      if (plan_.rounds.size() > 1)
        log::info(str("round ", r + 1, " of ", plan_.rounds.size(), ": ", trials.size(), " trials of ",
                      grouped(round.steps), " updates"));
      for (const int64_t trial : trials) do_trial(trial, round.steps);
      if (r + 1 < plan_.rounds.size()) trials = best_trials(trials, round.steps, plan_.rounds[r + 1].trials);
    }
    report();
  }

 private:
  std::string label(int64_t trial) const {
    const size_t digits = std::max<size_t>(3, std::to_string(plan_.rounds.front().trials).size());
    std::string number = std::to_string(trial);
    return "trial_" + std::string(digits - std::min(digits, number.size()), '0') + number;
  }

  std::string ini_of(int64_t trial) const { return str(plan_.folder, "/", label(trial), ".ini"); }

  std::string run_of(int64_t trial) const {
    return str(plan_.folder, "/", plan_.base.run.dataset, "/", plan_.base.run.mode, "/", label(trial));
  }

  /// Trains the trial to `steps` updates and measures it, unless that is done already.
  void do_trial(int64_t trial, int64_t steps) {
    if (table_.find(trial, steps)) return;
    const auto values = trial_values(plan_.search, plan_.base.run.seed, trial);
    TrialRow row{trial, steps, "done", {}, {}};
    for (const auto& value : values) row.values.push_back(value.value);
    try {
      write_configuration(trial, values);
    } catch (const ConfigError& error) {
      log::warn(error.what());
      row.status = "invalid";
    }
    if (row.status == "done") row.metric = train(trial, steps) ? measure(trial) : std::nullopt;
    if (row.status == "done" && !row.metric) row.status = "failed";
    log::info(str(label(trial), ": ", row.status,
                  row.metric ? str(", ", plan_.search.options.metric, " ", *row.metric) : "",
                  row.values.empty() ? "" : describe(values)));
    table_.add(std::move(row));
  }

  static std::string describe(const std::vector<Override>& values) {
    std::string text;
    for (const auto& v : values) text += str(text.empty() ? " (" : ", ", v.key, " = ", v.value);
    return text + ")";
  }

  void write_configuration(int64_t trial, const std::vector<Override>& values) {
    auto overrides = plan_.overrides;
    overrides.insert(overrides.end(), values.begin(), values.end());
    Config config = load_config(plan_.source, overrides, plan_.base.run.dataset, plan_.base.run.mode);
    config.run.max_steps = 0;  // a length of stay, not a property of the setting
    io::write_file_atomic(ini_of(trial), to_ini(config));
  }

  /// Options that every child needs.
  void add_options(std::vector<std::string>& words) const {
    for (const auto& [option, value] :
         {std::pair{"--data-dir", common_.data_dir}, {"--device", common_.device}, {"--threads", common_.threads}})
      if (!value.empty()) words.insert(words.end(), {option, value});
    if (common_.log_format != "text") words.insert(words.end(), {"--log", common_.log_format});
    if (!common_.verbose) words.emplace_back("--quiet");
  }

  void stop_if_interrupted() const {
    if (const int signal = ChildProcesses::received(); signal != 0)
      throw Interrupted(str("interrupted; go on with: the same command and --resume --name ",
                            shell_word(fs::path(plan_.folder).filename().string())),
                        signal);
  }

  bool train(int64_t trial, int64_t steps) {
    const std::string folder = run_of(trial);
    std::error_code ignored;
    stop_if_interrupted();
    if (fs::exists(folder, ignored)) wait_for_folder(folder);
    std::vector<std::string> words = {"train", "--out", plan_.folder, "--max-steps", std::to_string(steps)};
    const bool begun = fs::is_regular_file(folder + "/config.ini", ignored);
    if (begun)
      words.insert(words.end(), {"--resume", folder});
    else
      words.insert(words.end(), {"--config", ini_of(trial), "--name", label(trial)});
    if (common_.offline) words.emplace_back("--offline");
    add_options(words);
    const ChildEnd end = children_.run(words);
    stop_if_interrupted();
    // Missing data are no fault of the trial's settings: what comes after would fail likewise.
    if (end.signal == 0 && end.status == DataError("").exit_status())
      throw DataError(str(label(trial), ": the data could not be used; --resume goes on with the search"));
    if (!end.ok()) log::warn(str(label(trial), ": ", end.text()));
    const int64_t done = last_row(folder).step.value_or(0);
    if (end.ok() && done < steps)
      log::warn(str(label(trial), ": its settings end it after ", grouped(done), " of ", grouped(steps), " updates"));
    return end.ok();
  }

  std::optional<double> measure(int64_t trial) {
    const auto& o = plan_.search.options;
    const std::string folder = run_of(trial);
    std::optional<double> value;
    if (o.metric == "loss") {
      value = last_row(folder).loss;
    } else {
      const std::string path = folder + "/tune.json";
      std::vector<std::string> words = {"evaluate",  folder,
                                        "--metrics", o.metric == "ais" ? "loglik" : o.metric,
                                        "--methods", o.metric == "loglik" ? "is" : "ais",
                                        "--seed",    std::to_string(plan_.base.run.seed),
                                        "-n",        std::to_string(o.test_data),
                                        "--samples", std::to_string(o.draws),
                                        "--json",    path};
      if (common_.offline) words.emplace_back("--offline");
      add_options(words);
      const ChildEnd end = children_.run(words, true);
      stop_if_interrupted();
      if (!end.ok()) log::warn(str(label(trial), ": kaem evaluate: ", end.text()));
      if (end.ok()) value = read_metric(path);
    }
    return value && std::isfinite(*value) ? value : std::nullopt;
  }

  std::optional<double> read_metric(const std::string& path) const {
    const auto json = nlohmann::json::parse(io::read_json(path), nullptr, false);
    const auto& metric = plan_.search.options.metric;
    const std::string place = metric == "reconstruction" ? "/scores/reconstruction MSE/value"
                              : metric == "fid"          ? "/scores/classifier FID/value"
                              : metric == "loglik"       ? "/log_likelihood/importance sampling/mean"
                                                         : "/log_likelihood/annealed importance/mean";
    const nlohmann::json::json_pointer pointer(place);
    if (json.is_discarded() || !json.contains(pointer) || !json[pointer].is_number()) return {};
    return json[pointer].get<double>();
  }

  /// The best `count` trials of a round, in the order of their numbers.
  std::vector<int64_t> best_trials(const std::vector<int64_t>& trials, int64_t steps, int64_t count) const {
    std::vector<const TrialRow*> rows;
    for (const int64_t trial : trials)
      if (const auto* row = table_.find(trial, steps); row && row->metric) rows.push_back(row);
    std::vector<int64_t> best;
    while (!rows.empty() && static_cast<int64_t>(best.size()) < count) {
      const TrialRow* row = best_of(rows, plan_.search.higher_is_better());
      best.push_back(row->trial);
      rows.erase(std::find(rows.begin(), rows.end(), row));
    }
    std::sort(best.begin(), best.end());
    return best;
  }

  /// The best of those that were trained longest.
  const TrialRow* winner() const {
    for (auto round = plan_.rounds.rbegin(); round != plan_.rounds.rend(); ++round) {
      std::vector<const TrialRow*> rows;
      for (const auto& row : table_.rows())
        if (row.steps == round->steps) rows.push_back(&row);
      if (const TrialRow* best = best_of(rows, plan_.search.higher_is_better())) return best;
    }
    return nullptr;
  }

  void report() const {
    const TrialRow* best = winner();
    if (!best) throw Error(str("no trial succeeded; see ", plan_.folder, "/results.csv"));
    io::write_file_atomic(plan_.folder + "/best.ini", io::read_file(ini_of(best->trial)));
    std::cout << "best: " << label(best->trial) << ", " << plan_.search.options.metric << " "
              << metric_text(*best->metric) << " after " << best->steps << " updates\n";
    for (size_t i = 0; i < best->values.size(); ++i)
      std::cout << "  " << plan_.search.keys[i].section << "." << plan_.search.keys[i].key << " = " << best->values[i]
                << "\n";
    std::cout << plan_.folder << "/results.csv: " << table_.rows().size() << " rows\n"
              << plan_.folder << "/best.ini: for kaem train --config\n";
  }

  TunePlan plan_;
  const Common& common_;
  LockedFolder lock_;
  TrialTable table_;
  ChildProcesses children_;
};

void tune(const TuneArguments& a, const Common& common) {
  refuse_launchers("tune");
  TunePlan plan = make_tune_plan(a, common);
  if (common.dry_run) return print_tune_plan(plan);
  fit_rounds(plan, common);
  for (const auto& note : plan.search.notes) log::info(note);
  log::info(str("search: ", plan.folder));
  Tuning(std::move(plan), common).run();
}

}  // namespace

Command add_tune(CLI::App& program, const Common& common) {
  CLI::App* app = program.add_subcommand("tune", "Search over settings of the configuration");
  const auto a = std::make_shared<TuneArguments>();
  app->add_option("--dataset", a->dataset, "Data set")->type_name("D");
  app->add_option("--mode", a->mode, str("What is trained, and how: ", listed(run_modes())))->type_name("M");
  app->add_option("--config", a->config, "Configuration file with [TUNING] (else the data set's in config/)")
      ->type_name("FILE");
  app->add_flag("--resume", a->resume, "Go on with a search: that of --name, else the newest");
  app->footer(kTuneExamples);
  return {app,
          [a, &common] { tune(*a, common); },
          {"set", "device", "threads", "seed", "data-dir", "out", "max-steps", "name", "resize", "overfit-batch", "log",
           "offline", "deterministic", "quiet", "verbose", "memory", "dry-run"}};
}

}  // namespace kaem::app
