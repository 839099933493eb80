#pragma once

#include <sys/types.h>

#include <array>
#include <csignal>
#include <functional>
#include <string>
#include <vector>

#include "kaem/core/signal_stack.h"
#include "kaem/io/lock.h"

/// Further runs of this very program, for the commands that start others.
namespace kaem::app {

/// How a child process ended.
struct ChildEnd {
  int status = 0;      ///< exit status, if no signal ended it
  int signal = 0;      ///< the signal that ended it, or 0
  double seconds = 0;  ///< wall-clock time

  bool ok() const { return status == 0 && signal == 0; }
  /// True if it was asked to stop: by a signal, or it wrote its checkpoint and left with 128 + signal.
  bool interrupted() const;
  /// "exit status 3" or "signal 9 (Killed)".
  std::string text() const;
};

/// While it lives, what asks a program to stop is noted and passed on to the children that run; where
/// nohup has SIGHUP ignored, it stays so. A child has a process group of its
/// own, so that Ctrl-C reaches it once only, and gets SIGTERM if this program dies first.
class ChildProcesses {
 public:
  /// Ctrl-C, a scheduler's end and its warning, a lost terminal, the limit of processor time.
  static constexpr std::array kPassed = {SIGINT, SIGTERM, SIGUSR1, SIGHUP, SIGXCPU};

  ChildProcesses();
  ~ChildProcesses();
  ChildProcesses(const ChildProcesses&) = delete;
  ChildProcesses& operator=(const ChildProcesses&) = delete;

  /// So many may run at once, each started by a thread of its own.
  static constexpr size_t kMost = 64;

  /// Runs this program with `arguments` to its end; `silent`: its standard output goes nowhere. `started` is called
  /// with its process number. Error if it cannot be started. After a signal nothing is started: the end is that
  /// signal's.
  ChildEnd run(const std::vector<std::string>& arguments, bool silent = false,
               const std::function<void(pid_t)>& started = {});

  /// The signal that came, or 0.
  static int received();

 private:
  SignalStack stack_;
  std::array<struct sigaction, kPassed.size()> previous_{};
};

/// UsageError where a launcher (torchrun, srun, ...) has started several of this command: what it starts would take
/// itself for parts of one run.
void refuse_launchers(const std::string& command);

/// Waits up to `seconds` for another program to leave a run's folder: one whose parent died may still write its
/// checkpoint. False if it is still there.
bool wait_for_folder(const std::string& folder, double seconds = 60);

/// Makes a folder if it is not there, and holds it for this program alone; what killed ones left there goes. Error if
/// it cannot be made, UsageError if another program holds it.
class LockedFolder {
 public:
  explicit LockedFolder(const std::string& path);

 private:
  io::FolderLock lock_;
};

}  // namespace kaem::app
