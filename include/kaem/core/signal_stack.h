#pragma once

#include <csignal>
#include <memory>

namespace kaem {

/// While it lives, this thread has a stack of its own for signal handlers that are set with SA_ONSTACK. Needed wherever
/// a handler may interrupt a matrix product: oneDNN's AVX-512 kernels let the stack pointer lie in a block of the heap,
/// where the kernel's frame for the handler would overwrite what lies below. Signals to a whole process come to its
/// main thread.
class SignalStack {
 public:
  /// Keeps a stack that the thread has already.
  SignalStack();
  ~SignalStack();
  SignalStack(const SignalStack&) = delete;
  SignalStack& operator=(const SignalStack&) = delete;

 private:
  std::unique_ptr<char[]> memory_;  ///< null: the thread had a stack
};

}  // namespace kaem
