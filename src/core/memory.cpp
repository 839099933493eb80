#include "kaem/core/memory.h"

#include <sys/resource.h>
#include <unistd.h>

#include <cstdlib>  // __GLIBC__
#include <fstream>
#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace kaem {

void keep_freed_memory() {
#ifdef __GLIBC__
  constexpr int kLargestBlock = 1 << 30, kMostUnused = 2000000000;
  ::mallopt(M_MMAP_THRESHOLD, kLargestBlock);
  ::mallopt(M_TRIM_THRESHOLD, kMostUnused);
#endif
}

void release_freed_memory() {
#ifdef __GLIBC__
  ::malloc_trim(0);
#endif
}

int64_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  int64_t total = 0, resident = 0;
  return statm >> total >> resident ? resident * sysconf(_SC_PAGESIZE) : 0;
}

int64_t peak_resident_bytes() {
  rusage usage{};
  return getrusage(RUSAGE_SELF, &usage) == 0 ? int64_t{usage.ru_maxrss} * 1024 : 0;
}

}  // namespace kaem
