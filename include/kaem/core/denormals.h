#pragma once

namespace kaem {

/// Makes the calling thread and every worker thread of at::parallel_for flush denormal numbers to zero: they would slow
/// a matrix product up to 100 times, and the mode belongs to each thread. Call it after the number of threads is set;
/// it stays so until the threads end. For programs; the library itself flushes only inside its own regions.
void flush_denormals();

}  // namespace kaem
