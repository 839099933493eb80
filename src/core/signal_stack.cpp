#include "kaem/core/signal_stack.h"

#include <unistd.h>

#include <algorithm>

namespace kaem {

SignalStack::SignalStack() {
  stack_t before{};
  if (sigaltstack(nullptr, &before) == 0 && (before.ss_flags & SS_DISABLE) == 0) return;
  // What the processor's registers take (AVX-512, AMX), which constants of the headers do not know, and as much again.
  long least = 0;
#ifdef _SC_MINSIGSTKSZ
  least = sysconf(_SC_MINSIGSTKSZ);
#endif
  constexpr long kLeast = 64 * 1024;
  const auto size = static_cast<size_t>(std::max(kLeast, 2 * least));
  memory_ = std::make_unique<char[]>(size);
  stack_t own{};
  own.ss_sp = memory_.get(), own.ss_size = size;
  if (sigaltstack(&own, nullptr) != 0) memory_.reset();
}

SignalStack::~SignalStack() {
  if (!memory_) return;
  stack_t none{};
  none.ss_flags = SS_DISABLE;
  sigaltstack(&none, nullptr);
}

}  // namespace kaem
