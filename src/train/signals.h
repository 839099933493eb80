#pragma once

#include <csignal>

namespace kaem {

/// While it lives, SIGINT and SIGTERM only leave a note, so that the step can be finished and a checkpoint written. The
/// same signal a second time does what it does by default: it ends the program at once.
class SignalGuard {
 public:
  SignalGuard();
  ~SignalGuard();
  SignalGuard(const SignalGuard&) = delete;
  SignalGuard& operator=(const SignalGuard&) = delete;

  /// The signal that came, or 0.
  static int received();

 private:
  struct sigaction previous_int_ {
  }, previous_term_{};
};

}  // namespace kaem
