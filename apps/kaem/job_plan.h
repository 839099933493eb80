#pragma once

#include <string>
#include <vector>

#include "commands.h"
#include "job_state.h"
#include "kaem/config/jobs.h"

/// From the lines of a jobs file to what is run. docs/file-formats.md.
namespace kaem::app {

/// A job that has been checked.
struct PlannedJob {
  Common common;                    ///< of the command line, with the job's own max-steps and data-dir
  std::vector<Override> overrides;  ///< the command line's, then the job's own
  std::string config;               ///< file that was asked for; empty: the data set's
  std::string source;               ///< the file that is read
  int64_t updates = 0;              ///< what N_train, N_epochs, N_updates and max_steps say; 0 for a search or a budget
};

/// All jobs of a file, and where each stands.
struct JobPlan {
  std::vector<PlannedJob> jobs;
  std::vector<JobEntry> entries;
};

/// Checks every line before anything runs: data sets, modes, keys, configurations, run folders, files of data. Jobs of
/// `before` whose line is unchanged keep their name and status. Reports each faulty line and throws UsageError (exit
/// status 2), or DataError if only data are missing and downloads are forbidden.
JobPlan plan_jobs(const std::string& path, const Common& common, const std::vector<JobEntry>& before);

/// Arguments of the child process that does a job, or goes on with it where it has begun.
std::vector<std::string> arguments_of(const PlannedJob& plan, const JobEntry& entry);

}  // namespace kaem::app
