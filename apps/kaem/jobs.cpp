#include <cmath>
#include <filesystem>
#include <iostream>
#include <memory>

#include "child.h"
#include "commands.h"
#include "job_plan.h"
#include "job_state.h"
#include "kaem/core/error.h"
#include "kaem/core/log.h"
#include "kaem/core/str.h"

namespace kaem::app {
namespace {

struct JobsArguments {
  std::string file;
  bool resume = false;
};

constexpr const char* kJobsExamples = R"(
A line of the file is DATASET mode [KEY=VALUE ...]; modes: those of kaem train --mode, and tune; KEY: SECTION.key of the
configuration, or seed, name, config, max-steps, budget, data-dir. # begins a comment. A line's own values go before those of
the command line; of two max-steps the smaller holds.

Examples:
  kaem jobs jobs.txt
  kaem jobs jobs.txt --max-steps 50 --dry-run
  kaem jobs jobs.txt --resume                 what is done is skipped, what was stopped goes on)";

bool is_same_file(const std::string& a, const std::string& b) {
  std::error_code ignored;
  return std::filesystem::weakly_canonical(a, ignored) == std::filesystem::weakly_canonical(b, ignored);
}

/// The jobs of one file, run one after another.
class Sequence {
 public:
  Sequence(const JobsArguments& a, const Common& common)
      : file_(a.file),
        folder_(str(common.out.empty() ? RunOptions{}.out : common.out, "/jobs/",
                    std::filesystem::path(a.file).stem().string())),
        state_(folder_ + "/state.json") {
    const JobState before = a.resume ? read_job_state(state_) : JobState{};
    if (a.resume && before.jobs.empty())
      log::warn(str("there is nothing to resume in ", folder_, ": all jobs are new"));
    else if (a.resume && !is_same_file(before.file, file_))
      throw UsageError(str("--resume: ", state_, " is of another file, ", before.file, "; --out names another place"));
    plan_ = plan_jobs(file_, common, before.jobs);
    if (!a.resume) note_unfinished();
  }

  void print_plan() const {
    for (size_t i = 0; i < plan_.jobs.size(); ++i) {
      const auto& entry = plan_.entries[i];
      std::cout << "job " << i + 1 << ": " << entry.text << "\n  configuration " << plan_.jobs[i].source;
      if (plan_.jobs[i].updates > 0) std::cout << ", " << grouped(plan_.jobs[i].updates) << " updates";
      std::cout << (is_finished(entry)  ? "; done already: "
                    : is_started(entry) ? "; goes on in "
                                        : "; new run ")
                << entry.folder << "\n";
    }
  }

  /// Error if a job failed; Interrupted after a signal.
  void run() {
    const LockedFolder lock(folder_);
    ChildProcesses children;
    save();
    for (size_t i = 0; i < plan_.jobs.size() && ChildProcesses::received() == 0; ++i)
      if (!is_finished(plan_.entries[i])) run_job(i, children);
    std::cout << job_table(plan_.entries) << std::flush;
    if (const int signal = ChildProcesses::received(); signal != 0)
      throw Interrupted(str("interrupted; go on with: kaem jobs ", shell_word(file_), " --resume"), signal);
    size_t undone = 0;
    for (const auto& entry : plan_.entries) undone += entry.status != "done";
    if (undone > 0)
      throw Error(str(undone, " of ", plan_.entries.size(), " jobs did not end well; to run those again: kaem jobs ",
                      shell_word(file_), " --resume"));
  }

 private:
  static bool is_finished(const JobEntry& entry) { return entry.status == "done" && is_started(entry); }

  void run_job(size_t i, ChildProcesses& children) {
    auto& entry = plan_.entries[i];
    const std::string label = str("job ", i + 1, " of ", plan_.entries.size(), ": ", entry.dataset, " ", entry.mode);
    if (is_started(entry)) wait_for_folder(entry.folder);
    const bool begun = is_started(entry);
    log::info(str(label, begun ? ", going on in " : ", run folder ", entry.folder));
    entry.status = "running";
    const auto started = [&](pid_t process) {
      entry.process = process;
      save();
    };
    entry.finish(children.run(arguments_of(plan_.jobs[i], entry), false, started));
    save();
    if (entry.status == "done")
      log::info(str(label, ": done in ", std::llround(entry.seconds), " s"));
    else
      log::error(str(label, ": ", entry.status, ", ", ChildEnd{entry.exit_status, entry.signal, 0}.text()));
  }

  void note_unfinished() const {
    try {
      const JobState before = read_job_state(state_);
      const bool same = is_same_file(before.file, file_);
      for (const auto& job : before.jobs)
        if (job.status != "done")
          return log::warn(str("an earlier sequence of ", same ? "this file" : before.file,
                               " was not finished; this starts anew, ",
                               same ? "--resume would go on with it" : "and that one cannot be resumed any more"));
    } catch (const UsageError&) {
      return;  // a damaged file is replaced
    }
  }

  void save() const { write_job_state(state_, std::filesystem::absolute(file_).lexically_normal(), plan_.entries); }

  std::string file_, folder_, state_;
  JobPlan plan_;
};

void run_jobs(const JobsArguments& a, const Common& common) {
  if (a.file.empty()) throw UsageError("kaem jobs: expected a file of jobs, such as jobs.txt; see kaem jobs --help");
  Sequence sequence(a, common);
  if (common.dry_run) return sequence.print_plan();
  sequence.run();
}

}  // namespace

Command add_jobs(CLI::App& program, const Common& common) {
  CLI::App* app = program.add_subcommand("jobs", "Run the jobs of a file one after another");
  const auto a = std::make_shared<JobsArguments>();
  app->add_option("FILE", a->file, "File of jobs");
  app->add_flag("--resume", a->resume, "Go on with an interrupted sequence: skip what is done");
  app->footer(kJobsExamples);
  return {app,
          [a, &common] { run_jobs(*a, common); },
          {"set", "device", "threads", "seed", "data-dir", "out", "max-steps", "budget", "resize", "overfit-batch",
           "log", "offline", "deterministic", "quiet", "verbose", "memory", "dry-run"}};
}

}  // namespace kaem::app
