#include "kaem/core/memory.h"

#include <cstdlib>  // __GLIBC__
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

}  // namespace kaem
