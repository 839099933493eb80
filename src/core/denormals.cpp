#include "kaem/core/denormals.h"

#include <ATen/Parallel.h>
#include <ATen/cpu/FlushDenormal.h>

namespace kaem {

void flush_denormals() {
  at::cpu::set_flush_denormal(true);
  // One chunk for each thread of the pool: with a grain of 1 none is left out.
  at::parallel_for(0, at::get_num_threads(), 1, [](int64_t, int64_t) { at::cpu::set_flush_denormal(true); });
}

}  // namespace kaem
