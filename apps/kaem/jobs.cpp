#include <algorithm>
#include <cmath>
#include <exception>
#include <filesystem>
#include <iostream>
#include <memory>
#include <mutex>
#include <sstream>
#include <thread>

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
  std::string workers, devices;
};

/// A place where one job after another runs.
struct Worker {
  std::string device;   ///< empty: what the job says
  int64_t threads = 0;  ///< 0: what the job says
};

std::vector<Worker> workers_of(const JobsArguments& a, const Common& common) {
  if (!a.devices.empty() && !common.device.empty()) throw UsageError("--devices and --device: expected one of them");
  if (!a.devices.empty() && !a.workers.empty()) throw UsageError("--devices and --workers: expected one of them");
  std::vector<Worker> workers;
  if (!a.devices.empty()) {
    std::istringstream list(a.devices);
    for (std::string word; std::getline(list, word, ',');)
      workers.push_back({str("cuda:", integer_of("--devices", word, 0, 1023)), 0});
  } else {
    workers.resize(a.workers.empty() ? 1 : integer_of("--workers", a.workers, 1, ChildProcesses::kMost));
  }
  if (workers.empty() || workers.size() > ChildProcesses::kMost)
    throw UsageError(str("--devices ", a.devices, ": expected numbers of GPUs, such as 0,1"));
  if (workers.size() > 1 && common.threads.empty())
    for (auto& worker : workers)
      worker.threads = std::max<int64_t>(1, std::thread::hardware_concurrency() / workers.size());
  return workers;
}

constexpr const char* kJobsExamples = R"(
A line of the file is DATASET mode [KEY=VALUE ...]; modes: those of kaem train --mode, and tune; KEY: SECTION.key of the
configuration, or seed, name, config, max-steps, budget, data-dir. # begins a comment. A line's own values go before those of
the command line; of two max-steps the smaller holds.

Examples:
  kaem jobs jobs.txt
  kaem jobs jobs.txt --max-steps 50 --dry-run
  kaem jobs jobs.txt --resume                 what is done is skipped, what was stopped goes on
  kaem jobs jobs.txt --workers 4              four jobs at once, each on its share of the processor
  kaem jobs jobs.txt --devices 0,1            two jobs at once, each on its GPU)";

bool is_same_file(const std::string& a, const std::string& b) {
  std::error_code ignored;
  return std::filesystem::weakly_canonical(a, ignored) == std::filesystem::weakly_canonical(b, ignored);
}

/// The jobs of one file, run one after another by each worker.
class Sequence {
 public:
  Sequence(const JobsArguments& a, const Common& common)
      : file_(a.file),
        folder_(str(common.out.empty() ? RunOptions{}.out : common.out, "/jobs/",
                    std::filesystem::path(a.file).stem().string())),
        state_(folder_ + "/state.json") {
    again_ = str("kaem jobs ", shell_word(file_), " --resume");
    for (const auto& [option, value] :
         {std::pair{"--out", common.out}, {"--workers", a.workers}, {"--devices", a.devices}})
      if (!value.empty()) again_ += str(" ", option, " ", shell_word(value));
    const JobState before = a.resume ? read_job_state(state_) : JobState{};
    if (a.resume && before.jobs.empty())
      log::warn(str("there is nothing to resume in ", folder_, ": all jobs are new"));
    else if (a.resume && !is_same_file(before.file, file_))
      throw UsageError(str("--resume: ", state_, " is of another file, ", before.file, "; --out names another place"));
    workers_ = workers_of(a, common);
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
    std::vector<std::thread> threads;
    for (size_t w = 1; w < workers_.size(); ++w) threads.emplace_back([&, w] { work(workers_[w], children); });
    work(workers_[0], children);
    for (auto& thread : threads) thread.join();
    if (failure_) std::rethrow_exception(failure_);
    std::cout << job_table(plan_.entries) << std::flush;
    if (const int signal = ChildProcesses::received(); signal != 0)
      throw Interrupted(str("interrupted; go on with: ", again_), signal);
    size_t undone = 0;
    for (const auto& entry : plan_.entries) undone += entry.status != "done";
    if (undone > 0)
      throw Error(str(undone, " of ", plan_.entries.size(), " jobs did not end well; to run those again: ", again_));
  }

 private:
  static bool is_finished(const JobEntry& entry) { return entry.status == "done" && is_started(entry); }

  /// Takes one job after another, as long as there are any.
  void work(const Worker& worker, ChildProcesses& children) {
    try {
      while (ChildProcesses::received() == 0) {
        size_t i;
        {
          const std::lock_guard lock(mutex_);
          while (next_ < plan_.jobs.size() && is_finished(plan_.entries[next_])) ++next_;
          if (next_ == plan_.jobs.size() || failure_) return;
          i = next_++;
        }
        run_job(i, worker, children);
      }
    } catch (...) {
      const std::lock_guard lock(mutex_);
      if (!failure_) failure_ = std::current_exception();
    }
  }

  /// What the job is run with: side by side with others only its own device and share of the processor, and few words.
  std::vector<std::string> words_of(size_t i, const Worker& worker) const {
    PlannedJob job = plan_.jobs[i];
    if (!worker.device.empty()) job.overrides.push_back({"TRAINING", "device", worker.device});
    if (worker.threads > 0) job.overrides.push_back({"TRAINING", "threads", str(worker.threads)});
    if (workers_.size() > 1) job.common.quiet = true;
    return arguments_of(job, plan_.entries[i]);
  }

  void run_job(size_t i, const Worker& worker, ChildProcesses& children) {
    auto& entry = plan_.entries[i];
    const std::string label = str("job ", i + 1, " of ", plan_.entries.size(), ": ", entry.dataset, " ", entry.mode);
    if (is_started(entry)) wait_for_folder(entry.folder);
    const bool begun = is_started(entry);
    log::info(str(label, begun ? ", going on in " : ", run folder ", entry.folder));
    const std::vector<std::string> words = words_of(i, worker);
    const auto started = [&](pid_t process) {
      const std::lock_guard lock(mutex_);
      entry.status = "running", entry.process = process;
      save();
    };
    const ChildEnd end = children.run(words, false, started);
    const std::lock_guard lock(mutex_);
    entry.finish(end);
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
  std::string again_;  ///< the command that goes on
  std::vector<Worker> workers_;
  JobPlan plan_;
  std::mutex mutex_;  ///< of the entries' states, and of what follows
  size_t next_ = 0;   ///< the job that is taken next
  std::exception_ptr failure_;
};

void run_jobs(const JobsArguments& a, const Common& common) {
  refuse_launchers("jobs");
  if (a.file.empty()) throw UsageError("kaem jobs: expected a file of jobs, such as jobs.txt; see kaem jobs --help");
  Sequence sequence(a, common);
  if (common.dry_run) return sequence.print_plan();
  sequence.run();
}

}  // namespace

Command add_jobs(CLI::App& program, const Common& common) {
  CLI::App* app = program.add_subcommand("jobs", "Run the jobs of a file, one after another or side by side");
  const auto a = std::make_shared<JobsArguments>();
  app->add_option("FILE", a->file, "File of jobs");
  app->add_flag("--resume", a->resume, "Go on with an interrupted sequence: skip what is done");
  app->add_option("--workers", a->workers, "Jobs at once (1), which share the processor")->type_name("N");
  app->add_option("--devices", a->devices, "GPUs, such as 0,1: a job at once on each")->type_name("N,...");
  app->footer(kJobsExamples);
  return {app,
          [a, &common] { run_jobs(*a, common); },
          {"set", "device", "threads", "seed", "data-dir", "out", "max-steps", "budget", "resize", "overfit-batch",
           "log", "offline", "deterministic", "quiet", "verbose", "memory", "dry-run"}};
}

}  // namespace kaem::app
