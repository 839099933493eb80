#pragma once

#include <cstdint>
#include <string>

namespace kaem {

/// How many processors' worth of time the control groups of this process and those above them allow (cpu.max of cgroup
/// v2, cpu.cfs_quota_us of v1); infinity where nothing is said. `root`: where the file system begins.
double processor_quota(const std::string& root = "");

/// Sets the number of threads that operators use. 0: LibTorch's default (the physical cores that the process may run
/// on, or OMP_NUM_THREADS), but no more than the quota gives time to: threads that are stopped in the middle of a
/// parallel loop make all others wait. For programs.
void set_threads(int64_t threads);

}  // namespace kaem
