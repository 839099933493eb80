#include <cstdlib>

#include "fuzz/target.h"
#include "kaem/config/jobs.h"
#include "kaem/objective/criteria.h"

/// As in src/objective/criteria.cpp, which needs LibTorch.
std::vector<std::string> kaem::mode_names() { return {"vanilla", "thermo", "variational"}; }

/// Jobs files: every job prints to a line that reads back to the same job, and each fault names its line.
void kaem_fuzz(std::string_view bytes) {
  const auto list = kaem::read_jobs(bytes, "input");
  for (const auto& fault : list.faults)
    if (!fault.starts_with("input:")) std::abort();
  for (const auto& job : list.jobs) {
    const std::string line = kaem::to_line(job);
    const auto again = kaem::read_jobs(line, "written");
    if (line.size() > 4096) continue;  // quoting has made a longest line too long
    if (again.jobs.size() != 1 || kaem::to_line(again.jobs[0]) != line) std::abort();
    const auto& other = again.jobs[0];
    if (other.dataset != job.dataset || other.mode != job.mode || other.values != job.values) std::abort();
  }
}
