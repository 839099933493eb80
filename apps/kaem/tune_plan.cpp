#include "tune_plan.h"
#include "kaem/data/dataset.h"

#include <algorithm>
#include <filesystem>
#include <iomanip>
#include <iostream>

#include "kaem/core/error.h"
#include "kaem/core/log.h"
#include "kaem/core/str.h"
#include "kaem/train/length.h"
#include "kaem/train/run.h"

namespace kaem::app {
namespace {

namespace fs = std::filesystem;

std::string searches_folder(const Common& common, const Config& base) {
  return str(common.out.empty() ? RunOptions{}.out : common.out, "/", base.run.dataset, "/tune");
}

/// The search below `parent` that was begun last.
std::string newest_search(const fs::path& parent) {
  std::pair<fs::file_time_type, std::string> newest;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(parent, ignored)) {
    const auto time = fs::last_write_time(entry.path() / "search.ini", ignored);
    const std::pair found{time, entry.path().string()};
    if (!ignored && (newest.second.empty() || found > newest)) newest = found;
  }
  if (newest.second.empty()) throw UsageError(str("--resume: there is no search below ", parent.string(), " yet"));
  return newest.second;
}

std::string folder_of(const TuneArguments& a, const Common& common, const Config& base) {
  const std::string parent = searches_folder(common, base);
  if (common.name.empty()) return a.resume ? newest_search(parent) : str(parent, "/", time_name());
  if (!is_run_name(common.name)) throw UsageError(str("--name '", common.name, "': ", kRunNameExpected));
  const std::string folder = str(parent, "/", common.name);
  std::error_code ignored;
  if (!a.resume && fs::exists(folder, ignored))
    throw UsageError(str("the search ", folder, " exists: choose another --name, or go on with it by --resume"));
  return folder;
}

std::vector<Round> rounds_for(const TunePlan& plan, int64_t steps_per_epoch) {
  return rounds_of(plan.search, run_length(plan.base.run, steps_per_epoch).last);
}

/// Ranges between whose ends nothing changes are left out: a baseline has a learning rate of its own, say.
void drop_without_effect(TunePlan& plan) {
  const auto configuration_at = [&](const SearchedKey& searched, double u) {
    auto overrides = plan.overrides;
    overrides.push_back({searched.section, searched.key, searched.range.at(u)});
    return to_ini(load_config(plan.source, overrides, plan.base.run.dataset, plan.base.run.mode));
  };
  constexpr double kLast = 1 - 1e-9;
  std::erase_if(plan.search.keys, [&](const SearchedKey& searched) {
    const bool one = searched.range.at(0) == searched.range.at(kLast);
    if (one || configuration_at(searched, 0) != configuration_at(searched, kLast)) return false;
    plan.search.notes.push_back(
        str(searched.section, ".", searched.key, " is not searched: it has no effect in mode ", plan.base.run.mode));
    return true;
  });
  if (plan.search.keys.empty()) throw UsageError("[TUNING]: no range has an effect in mode " + plan.base.run.mode);
}

}  // namespace

TunePlan make_tune_plan(const TuneArguments& a, const Common& common) {
  if (a.dataset.empty() && a.config.empty())
    throw UsageError("kaem tune: expected --dataset D or --config F; see kaem tune --help");
  TunePlan plan;
  plan.source = a.config.empty() ? default_config_path(a.dataset, a.mode, true) : a.config;
  plan.overrides = overrides_of(common);
  plan.base = load_config(plan.source, plan.overrides, a.dataset, a.mode);
  if (!plan.base.run.budget.empty())
    throw UsageError(
        "[TRAINING] budget: a search compares settings at equal updates; expected N_updates or --max-steps");
  plan.search = load_search(plan.source, plan.overrides, plan.base);
  drop_without_effect(plan);
  plan.rounds = rounds_for(plan, plan.base.data.train_size / plan.base.run.batch_size);
  plan.folder = folder_of(a, common, plan.base);
  return plan;
}

void fit_rounds(TunePlan& plan, const Common& common) {
  DatasetOptions options = plan.base.data;
  options.progress = show_progress(), options.use_pca = false;
  options.offline = options.offline || common.offline;
  const Dataset data = make_dataset(options);
  log::set_status_line("");
  plan.rounds = rounds_for(plan, data.steps_per_epoch(plan.base.run.batch_size));
}

std::string plan_text(const TunePlan& plan) {
  Config base = plan.base;
  base.run.device = RunOptions{}.device, base.run.threads = 0, base.data.root = DatasetOptions{}.root;
  return str(to_ini(base), "\n", to_ini(plan.search));
}

void print_tune_plan(const TunePlan& plan) {
  const auto& o = plan.search.options;
  std::cout << "search        " << plan.base.run.mode << " training on " << plan.base.run.dataset << ", " << o.sampler
            << ", compared by " << o.metric << " (" << (plan.search.higher_is_better() ? "higher" : "lower")
            << " is better)\nconfiguration " << plan.source << "\n";
  for (const auto& note : plan.search.notes) std::cout << "note          " << note << "\n";
  for (const auto& round : plan.rounds)
    std::cout << "round         " << round.trials << " trials of " << grouped(round.steps) << " updates\n";
  for (const auto& k : plan.search.keys)
    std::cout << "range         " << k.section << "." << k.key << " = " << to_text(k.range) << "\n";
  constexpr int64_t kShown = 20;
  for (int64_t trial = 0; trial < std::min(kShown, plan.rounds.front().trials); ++trial) {
    std::cout << "trial " << std::left << std::setw(8) << trial;
    for (const auto& v : trial_values(plan.search, plan.base.run.seed, trial))
      std::cout << v.key << "=" << v.value << " ";
    std::cout << "\n";
  }
  if (plan.rounds.front().trials > kShown) std::cout << "              ...\n";
  std::cout << "folder        " << plan.folder << "\n";
}

}  // namespace kaem::app
