#pragma once

// Threads of the fused CPU kernels: LibTorch's pool, with denormal numbers flushed inside our regions only.

#include <ATen/Parallel.h>

#include <cstdint>
#include <vector>

#if defined(__SSE2__)
#include <immintrin.h>
#endif

namespace kaem::ops::cpu {

/// Flushes denormal numbers to zero (operands and results) on this thread while it lives; the library must not change
/// its caller's arithmetic for good.
class FlushDenormals {
 public:
  FlushDenormals() {
#if defined(__SSE2__)
    _mm_setcsr(saved_ | 0x8040U);  // flush to zero, denormals are zero
#elif defined(__aarch64__)
    asm volatile("mrs %0, fpcr" : "=r"(saved_));
    asm volatile("msr fpcr, %0" : : "r"(saved_ | (uint64_t{1} << 24)));
#endif
  }
  ~FlushDenormals() {
#if defined(__SSE2__)
    _mm_setcsr(saved_);
#elif defined(__aarch64__)
    asm volatile("msr fpcr, %0" : : "r"(saved_));
#endif
  }
  FlushDenormals(const FlushDenormals&) = delete;
  FlushDenormals& operator=(const FlushDenormals&) = delete;

 private:
#if defined(__SSE2__)
  unsigned saved_ = _mm_getcsr();
#elif defined(__aarch64__)
  uint64_t saved_ = 0;
#endif
};

/// at::parallel_for over [0,count) with denormals flushed.
template <class F>
void parallel(int64_t count, int64_t grain, const F& f) {
  at::parallel_for(0, count, grain, [&](int64_t begin, int64_t end) {
    const FlushDenormals flush;
    f(begin, end);
  });
}

/// `floats` of this thread's scratch, 64-byte aligned; valid until the thread's next call.
float* scratch(int64_t floats);

}  // namespace kaem::ops::cpu
