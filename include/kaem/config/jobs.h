#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// Files that list runs: a line `DATASET mode [KEY=VALUE ...]` each. No torch here, so that reading can be fuzzed
/// quickly. docs/file-formats.md.
namespace kaem {

/// A line of a jobs file.
struct Job {
  int line = 0;
  std::string dataset;  ///< as typed
  std::string mode;     ///< vanilla, thermo, variational or tune
  /// In the line's order: SECTION.key, or seed, name, config, max-steps, data-dir; no key twice.
  std::vector<std::pair<std::string, std::string>> values;

  /// The value of a key; empty if it is not given.
  std::string value(std::string_view key) const;
};

/// A jobs file taken apart.
struct JobList {
  std::vector<Job> jobs;
  std::vector<std::string> faults;  ///< "file:line: ...", one for each line that is no job
};

/// Takes a jobs file apart: UTF-8 with or without a byte order mark, LF or CRLF, `#` comments (whole lines or behind a
/// blank), blank lines; values or whole words with blanks in single or double quotes. Does not know the data sets nor
/// the keys of the configuration. `name` stands in messages.
JobList read_jobs(std::string_view text, const std::string& name);

/// The job as a line that reads back to the same job, however it was typed.
std::string to_line(const Job& job);

}  // namespace kaem
