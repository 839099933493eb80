#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "child.h"

/// What `kaem jobs` knows about its jobs: kept in a file, printed as a table. docs/file-formats.md.
namespace kaem::app {

/// A job and how far it has come.
struct JobEntry {
  int line = 0;                    ///< in the jobs file
  std::string text;                ///< the job as one line (to_line)
  std::string dataset, mode;       ///< as the program spells them
  std::string name, folder;        ///< of its run
  std::string status = "pending";  ///< pending, running, done, failed, interrupted
  int exit_status = 0, signal = 0;
  int64_t process = 0;  ///< number of the process while it runs
  std::optional<int64_t> updates;
  std::optional<double> loss;  ///< of the last row of metrics.csv
  double seconds = 0;          ///< in all sessions

  /// Takes over how the job's process ended, and what its run's metrics.csv says.
  void finish(const ChildEnd& end);
};

/// Step and loss of the last whole row of a run's metrics.csv, where there are any.
struct LastRow {
  std::optional<int64_t> step;
  std::optional<double> loss;
};
LastRow last_row(const std::string& folder);

/// What a state file holds.
struct JobState {
  std::string file;  ///< the jobs file, as an absolute path
  std::vector<JobEntry> jobs;
};

/// Empty if there is no such file. UsageError if it is damaged or of a newer format.
JobState read_job_state(const std::string& path);
void write_job_state(const std::string& path, const std::string& jobs_file, const std::vector<JobEntry>& jobs);

/// The table that a sequence ends with: number, data set, mode, status, updates, loss, run folder. The same however
/// often the sequence was interrupted, so it holds no times.
std::string job_table(const std::vector<JobEntry>& jobs);

/// True if the folder is that of a run or a search.
bool is_started(const JobEntry& job);

}  // namespace kaem::app
