#include "kaem/core/threads.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <sstream>
#include <utility>

#include "kaem/core/str.h"

namespace kaem {
namespace {

constexpr double kNoLimit = std::numeric_limits<double>::infinity();

/// quota / period, both in microseconds.
double share(double quota, double period) { return quota > 0 && period > 0 ? quota / period : kNoLimit; }

double share_v2(const std::string& folder) {
  std::ifstream file(folder + "/cpu.max");
  std::string quota;
  double period = 0;
  if (!(file >> quota >> period) || quota == "max") return kNoLimit;
  return share(std::strtod(quota.c_str(), nullptr), period);
}

double share_v1(const std::string& folder) {
  double quota = 0, period = 0;
  std::ifstream(folder + "/cpu.cfs_quota_us") >> quota;
  std::ifstream(folder + "/cpu.cfs_period_us") >> period;
  return share(quota, period);
}

/// The least share of the group `path` below `mount` and of all above it. In a container the path may be one of the
/// machine outside; the folders that are not there say nothing, and `mount` itself is then the container's own.
double least_share(const std::string& mount, std::string path, double (*read)(const std::string&)) {
  double least = read(mount);
  for (; path.size() > 1; path.erase(path.rfind('/'))) least = std::min(least, read(mount + path));
  return least;
}

}  // namespace

double processor_quota(const std::string& root) {
  const std::string base = root + "/sys/fs/cgroup";
  double least = kNoLimit;
  std::ifstream groups(root + "/proc/self/cgroup");
  // Lines "number:controllers:path"; no controllers in version 2.
  for (std::string line; std::getline(groups, line);) {
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1), path = line.substr(second + 1);
    if (!path.starts_with('/')) continue;
    if (controllers.empty()) {
      least = std::min({least, least_share(base, path, share_v2), least_share(base + "/unified", path, share_v2)});
      continue;
    }
    std::istringstream names(controllers);
    for (std::string name; std::getline(names, name, ',');)
      if (name == "cpu")
        least = std::min({least, least_share(base + "/cpu", path, share_v1),
                          least_share(str(base, "/", controllers), path, share_v1)});
  }
  return least;
}

void set_threads(int64_t threads) {
  if (threads > 0) return at::set_num_threads(static_cast<int>(threads));
  if (const char* given = std::getenv("OMP_NUM_THREADS"); given != nullptr && *given != '\0') return;
  // Rounded up: one and a half processors are more than one.
  const double quota = std::ceil(processor_quota());
  if (quota < at::get_num_threads()) at::set_num_threads(static_cast<int>(std::max(quota, 1.0)));
}

}  // namespace kaem
