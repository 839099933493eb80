#include <cstdlib>

#include "fuzz/target.h"
#include "kaem/config/config.h"
#include "kaem/config/jobs.h"

/// As in src/config/fields.cpp, whose criteria need LibTorch.
std::vector<std::string> kaem::run_modes() {
  return {"vanilla", "thermo", "variational", "baseline-vae", "baseline-pang", "baseline-ddpm", "baseline-gan"};
}

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
