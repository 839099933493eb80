#include "signals.h"

namespace kaem {
namespace {

// A handler may touch nothing else (POSIX: async-signal-safe), and has no argument to carry it.
volatile std::sig_atomic_t received_signal = 0;

extern "C" void note_signal(int signal) { received_signal = signal; }

}  // namespace

SignalGuard::SignalGuard() {
  received_signal = 0;
  for (size_t i = 0; i < kSignals.size(); ++i) {
    sigaction(kSignals[i], nullptr, &previous_[i]);
    // The program ignores SIGXFSZ outside of training.
    if (previous_[i].sa_handler == SIG_IGN && kSignals[i] != SIGXFSZ) continue;
    struct sigaction action {};
    action.sa_handler = note_signal;
    action.sa_flags = SA_RESTART | SA_ONSTACK | (kSignals[i] == SIGPIPE ? 0 : static_cast<int>(SA_RESETHAND));
    sigemptyset(&action.sa_mask);
    sigaction(kSignals[i], &action, nullptr);
  }
}

SignalGuard::~SignalGuard() {
  for (size_t i = 0; i < kSignals.size(); ++i) sigaction(kSignals[i], &previous_[i], nullptr);
}

int SignalGuard::received() { return received_signal; }

}  // namespace kaem
