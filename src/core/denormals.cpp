#include "kaem/core/denormals.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>

namespace kaem {

void flush_denormals() {
  at::Context::setFlushDenormal(true);
  // One chunk for each thread of the pool: with a grain of 1 none is left out.
  at::parallel_for(0, at::get_num_threads(), 1, [](int64_t, int64_t) { at::Context::setFlushDenormal(true); });
}

}  // namespace kaem
