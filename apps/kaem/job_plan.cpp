#include "job_plan.h"

#include <algorithm>
#include <filesystem>
#include <map>

#include "kaem/config/tuning.h"
#include "kaem/core/error.h"
#include "kaem/core/log.h"
#include "kaem/core/str.h"
#include "kaem/core/table.h"
#include "kaem/data/dataset.h"
#include "kaem/io/file.h"
#include "kaem/train/length.h"
#include "kaem/train/run.h"

namespace kaem::app {
namespace {

namespace fs = std::filesystem;

std::string runs_folder(const Common& common) { return common.out.empty() ? RunOptions{}.out : common.out; }

std::string read_jobs_file(const std::string& path) {
  constexpr size_t kLargestFile = size_t{1} << 20;
  try {
    std::string text = io::read_file(path);
    if (text.size() > kLargestFile) throw UsageError(path + ": too large for a jobs file");
    return text;
  } catch (const DataError& error) {
    throw UsageError(error.what());
  }
}

/// The shorter of two limits on the updates, either of which may be missing, 0 (off) or no number (which is said
/// later).
std::string shorter(const std::string& a, const std::string& b) {
  const auto is_off = [](const std::string& text) { return text.find_first_not_of('0') == text.npos; };
  if (is_off(a) || is_off(b)) return is_off(a) ? b : a;
  const auto is_number = [](const std::string& text) { return text.find_first_not_of("0123456789") == text.npos; };
  if (!is_number(a) || !is_number(b)) return is_number(a) ? b : a;
  return a.size() != b.size() ? (a.size() < b.size() ? a : b) : std::min(a, b);
}

/// What the configuration is loaded with: the command line's values, then the job's own.
PlannedJob values_of(const Job& job, const Common& common, const std::string& where) {
  PlannedJob plan{common, {}, job.value("config"), "", 0};
  for (const char* key : {"max-steps", "TRAINING.max_steps"})
    plan.common.max_steps = shorter(plan.common.max_steps, job.value(key));
  for (const char* key : {"data-dir", "DATA.root"})
    if (const std::string root = job.value(key); !root.empty()) plan.common.data_dir = root;
  plan.overrides = overrides_of(plan.common);
  for (const auto& [key, value] : job.values) {
    const size_t dot = key.find('.');
    const std::string origin = str(where, key, "=", value);
    for (const char* plain : {"seed", "budget"})
      if (key == plain) plan.overrides.push_back({"TRAINING", plain, value, origin});
    if (dot == std::string::npos || same_name(key, "DATA.root") || same_name(key, "TRAINING.max_steps")) continue;
    plan.overrides.push_back({key.substr(0, dot), key.substr(dot + 1), value, origin});
  }
  return plan;
}

/// What training lacks, empty if nothing, and whether it can be downloaded.
struct Missing {
  std::string what;
  bool offered = false;
};

Missing missing_data(const Config& config) {
  const std::string& file = config.data.darcy_file;
  std::error_code ignored;
  if (dataset_traits(config.data.name).kind == DataKind::kFields && !file.empty())
    return {fs::exists(file, ignored) ? "" : "no file " + file, false};
  for (const auto& info : list_datasets(config.data.root))
    if (info.name == config.data.name && !info.trainable)
      return {str("no training data of ", info.name, " below ", config.data.root), !info.urls.empty()};
  return {};
}

/// Checks lines one by one and gathers what is wrong with them.
class Planner {
 public:
  Planner(std::string path, const Common& common, std::vector<JobEntry> before)
      : path_(std::move(path)), common_(common), before_(std::move(before)) {}

  JobPlan plan() {
    const JobList list = read_jobs(read_jobs_file(path_), path_);
    faults_ = list.faults;
    for (const auto& job : list.jobs) try_to_add(job);
    report(list);
    return std::move(plan_);
  }

 private:
  void try_to_add(const Job& job) {
    const std::string where = str(path_, ":", job.line, ": ");
    try {
      add(job, where);
    } catch (const Error& error) {
      const std::string what = error.what();
      faults_.push_back(what.starts_with(where) ? what : where + what);
    }
  }

  void add(const Job& job, const std::string& where) {
    JobEntry entry = entry_of(job);
    PlannedJob planned = values_of(job, common_, where);
    entry.dataset = dataset_traits(job.dataset).name;
    const bool search = job.mode == "tune";
    planned.source = !planned.config.empty() ? planned.config : default_config_path(entry.dataset, entry.mode, search);
    const Config config = load_config(planned.source, planned.overrides, entry.dataset, search ? "" : job.mode);
    if (search) load_search(planned.source, planned.overrides, config);
    if (!search && !has_budget(config.run))
      planned.updates = run_length(config.run, config.data.train_size / config.run.batch_size).last;
    note_data(config, where);
    settle_folder(job, entry, plan_.entries.size() + 1);
    plan_.entries.push_back(std::move(entry));
    plan_.jobs.push_back(std::move(planned));
  }

  /// What the state file says of an unchanged line, else a job that has not begun.
  JobEntry entry_of(const Job& job) {
    const std::string text = to_line(job);
    const auto known = std::find_if(before_.begin(), before_.end(), [&](const auto& e) { return e.text == text; });
    JobEntry entry;
    if (known != before_.end()) {
      entry = *known;
      before_.erase(known);  // the same line twice is two jobs
    }
    entry.line = job.line, entry.text = text, entry.mode = job.mode;
    return entry;
  }

  void note_data(const Config& config, const std::string& where) {
    const Missing missing = missing_data(config);
    if (missing.what.empty()) return;
    if (!missing.offered)
      absent_.push_back(str(where, missing.what, ", and it cannot be downloaded"));
    else if (common_.offline)
      absent_.push_back(str(where, missing.what, ", and --offline forbids downloads"));
    else
      log::warn(str(where, missing.what, ": they will be downloaded"));
  }

  /// Gives the job a name and with it a folder that no other job and no earlier run has.
  void settle_folder(const Job& job, JobEntry& entry, size_t number) {
    const auto folder_for = [&](const std::string& name) {
      return str(runs_folder(common_), "/", entry.dataset, "/", entry.mode, "/", name);
    };
    const std::string own = job.value("name");
    if (!own.empty() && !is_run_name(own)) throw ConfigError(str("name=", own, ": ", kRunNameExpected));
    if (entry.name.empty()) {
      const std::string made = str(fs::path(path_).stem().string(), number < 10 ? "_0" : "_", number);
      entry.name = own.empty() ? made : own;
      std::error_code ignored;
      for (int n = 2; own.empty() && (fs::exists(folder_for(entry.name), ignored) || taken(folder_for(entry.name)));)
        entry.name = str(made, "-", n++);
      entry.folder = folder_for(entry.name);
      if (fs::exists(entry.folder, ignored))
        throw ConfigError(str("name=", entry.name, ": the run ", entry.folder, " exists already"));
    }
    const auto [at, is_new] = folders_.emplace(entry.folder, entry.line);
    if (!is_new)
      throw ConfigError(str("name=", entry.name, ": line ", at->second, " makes the same run ", entry.folder));
  }

  bool taken(const std::string& folder) const {
    const auto same = [&](const auto& entry) { return entry.folder == folder; };
    return folders_.contains(folder) || std::any_of(before_.begin(), before_.end(), same);
  }

  void report(const JobList& list) {
    const auto line_of = [&](const std::string& fault) { return std::stoi(fault.substr(path_.size() + 1)); };
    std::stable_sort(faults_.begin(), faults_.end(),
                     [&](const auto& a, const auto& b) { return line_of(a) < line_of(b); });
    for (const auto& fault : faults_) log::error(fault);
    for (const auto& fault : absent_) log::error(fault);
    if (!faults_.empty())
      throw UsageError(str(path_, ": ", faults_.size(), faults_.size() == 1 ? " faulty line" : " faulty lines",
                           "; nothing was started"));
    if (!absent_.empty())
      throw DataError(str(path_, ": data of ", absent_.size(), " jobs are missing; nothing was started"));
    if (list.jobs.empty()) throw UsageError(path_ + ": holds no job; expected lines DATASET mode [KEY=VALUE ...]");
  }

  std::string path_;
  const Common& common_;
  std::vector<JobEntry> before_;
  std::vector<std::string> faults_, absent_;
  std::map<std::string, int> folders_;
  JobPlan plan_;
};

/// Options of the command line that a child needs: its values, and where data, results and messages are.
std::vector<std::string> child_options(const Common& common, const std::vector<Override>& overrides) {
  std::vector<std::string> words;
  for (const auto& o : overrides) {
    if (!common.data_dir.empty() && same_name(o.section, "DATA") && o.key == "root") continue;  // --data-dir says it
    words.insert(words.end(), {"--set", str(o.section, ".", o.key, "=", o.value)});
  }
  for (const auto& [option, value] : {std::pair{"--data-dir", common.data_dir}, {"--out", common.out}})
    if (!value.empty()) words.insert(words.end(), {option, value});
  if (common.log_format != "text") words.insert(words.end(), {"--log", common.log_format});
  if (common.offline) words.emplace_back("--offline");
  if (common.quiet) words.emplace_back("--quiet");
  if (common.verbose) words.emplace_back("--verbose");
  return words;
}

}  // namespace

JobPlan plan_jobs(const std::string& path, const Common& common, const std::vector<JobEntry>& before) {
  return Planner(path, common, before).plan();
}

std::vector<std::string> arguments_of(const PlannedJob& plan, const JobEntry& entry) {
  const bool search = entry.mode == "tune", begun = is_started(entry);
  std::vector<std::string> words = {search ? "tune" : "train"};
  const auto add = [&](std::initializer_list<std::string> more) { words.insert(words.end(), more); };
  if (begun && !search) {
    add({"--resume", entry.folder});
  } else {
    add({"--dataset", entry.dataset, "--name", entry.name});
    if (!search) add({"--mode", entry.mode});
    if (!plan.config.empty()) add({"--config", plan.config});
    if (begun) add({"--resume"});
  }
  const auto options = child_options(plan.common, plan.overrides);
  words.insert(words.end(), options.begin(), options.end());
  return words;
}

}  // namespace kaem::app
