// Signals that come while the stack pointer lies in a block of the heap, as it does within oneDNN's AVX-512 kernels.
#include "train/signals.h"

#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <vector>

namespace kaem::test {
namespace {

#if defined(__x86_64__)
/// Sends a signal to this thread while its stack pointer is `top`. Nothing is pushed: what is written below `top` is
/// the kernel's.
__attribute__((noinline)) void raise_with_stack_at(char* top, int signal) {
  long result = SYS_tgkill;
  const long process = getpid(), thread = syscall(SYS_gettid), number = signal;
  asm volatile(
      "mov %%rsp, %%rbx\n\t"
      "mov %[top], %%rsp\n\t"
      "syscall\n\t"
      "mov %%rbx, %%rsp"
      : "+a"(result)
      : "D"(process), "S"(thread), "d"(number), [top] "r"(top)
      : "rbx", "rcx", "r11", "memory");
}

TEST(SignalGuard, LeavesTheInterruptedStackAlone) {
  std::vector<char> block(1 << 17, 'x');
  for (const int signal : {SIGTERM, SIGINT, SIGUSR1}) {
    const auto inherited = std::signal(signal, SIG_DFL);  // ignored in a shell's background jobs, and then by a guard
    {
      const SignalGuard guard;
      char* const end = block.data() + block.size();
      raise_with_stack_at(end - 64 - reinterpret_cast<uintptr_t>(end) % 16, signal);
      EXPECT_EQ(SignalGuard::received(), signal);
    }
    EXPECT_EQ(std::count(block.begin(), block.end(), 'x'), static_cast<int64_t>(block.size()))
        << "a handler ran on the stack that it interrupted";
    std::signal(signal, inherited);
  }
}
#endif

/// Nested guards, as of a run within a run: the first one's stack stays until it goes.
TEST(SignalGuard, KeepsOneStackForAll) {
  stack_t before{}, within{}, after{};
  sigaltstack(nullptr, &before);
  {
    const SignalGuard outer;
    { const SignalGuard inner; }
    sigaltstack(nullptr, &within);
    EXPECT_EQ(within.ss_flags & SS_DISABLE, 0);
    EXPECT_GE(within.ss_size, size_t{64 * 1024});
  }
  sigaltstack(nullptr, &after);
  EXPECT_EQ(after.ss_flags & SS_DISABLE, before.ss_flags & SS_DISABLE);
}

}  // namespace
}  // namespace kaem::test
