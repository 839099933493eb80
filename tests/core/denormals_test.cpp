#include "kaem/core/denormals.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <atomic>

namespace kaem {
namespace {

/// True if the calling thread flushes denormal results to zero.
bool flushes() {
  volatile float small = 1e-38f;
  volatile float tiny = small * 1e-3f;
  return tiny == 0.0f;
}

TEST(Denormals, EveryWorkerFlushes) {
  if (!at::globalContext().setFlushDenormal(false)) GTEST_SKIP() << "this processor cannot flush denormals";
  const int before = at::get_num_threads();
  at::set_num_threads(4);
  std::atomic<int> flushing = 0;
  const auto count = [&](int64_t, int64_t) { flushing += flushes(); };
  at::parallel_for(0, 4, 1, [](int64_t, int64_t) { at::globalContext().setFlushDenormal(false); });
  at::parallel_for(0, 4, 1, count);
  EXPECT_EQ(flushing, 0) << "the check itself does not see denormals";
  flush_denormals();
  at::parallel_for(0, 4, 1, count);
  EXPECT_EQ(flushing, 4);
  at::parallel_for(0, 4, 1, [](int64_t, int64_t) { at::globalContext().setFlushDenormal(false); });
  at::set_num_threads(before);
}

}  // namespace
}  // namespace kaem
