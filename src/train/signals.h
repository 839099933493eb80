#pragma once

#include <array>
#include <csignal>

#include "kaem/core/signal_stack.h"

namespace kaem {

/// While it lives, signals that end a program only leave a note, so that the step can be finished and a checkpoint
/// written: SIGINT, SIGTERM, SIGHUP (a lost terminal), SIGUSR1 (what SLURM warns with), SIGXCPU and SIGXFSZ (limits),
/// SIGPIPE (nobody reads the output). The same signal a second time does what it does by default, but for SIGPIPE,
/// which every further line of output raises. What is ignored already (nohup) stays so.
class SignalGuard {
 public:
  SignalGuard();
  ~SignalGuard();
  SignalGuard(const SignalGuard&) = delete;
  SignalGuard& operator=(const SignalGuard&) = delete;

  /// The signal that came, or 0.
  static int received();

 private:
  SignalStack stack_;  ///< there before the handlers are, and after them
  static constexpr std::array kSignals = {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGXCPU, SIGXFSZ, SIGPIPE};
  std::array<struct sigaction, kSignals.size()> previous_{};
};

}  // namespace kaem
