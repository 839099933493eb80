#include "child.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <mutex>
#include <system_error>
#include <thread>

#include "kaem/core/error.h"
#include "kaem/core/log.h"
#include "kaem/core/str.h"
#include "kaem/dist/place.h"
#include "kaem/io/file.h"

namespace kaem::app {
namespace {

// What a handler may touch; it has no argument to carry them.
volatile std::sig_atomic_t received_signal = 0;
volatile std::sig_atomic_t running_children[ChildProcesses::kMost] = {};
std::mutex slots_mutex;  // of who takes an element of it; a handler only reads them

extern "C" void pass_on(int signal) {
  const int error = errno;
  received_signal = signal;
  for (const volatile std::sig_atomic_t& child : running_children)
    if (child > 0) ::kill(static_cast<pid_t>(child), signal);
  errno = error;
}

sigset_t passed_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : ChildProcesses::kPassed) sigaddset(&set, signal);
  return set;
}

/// The signals that are passed on wait while it lives: between making a child and noting its number none may be lost.
class HeldSignals {
 public:
  HeldSignals() {
    const sigset_t set = passed_signals();
    ::pthread_sigmask(SIG_BLOCK, &set, &before_);
  }
  ~HeldSignals() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  HeldSignals(const HeldSignals&) = delete;
  HeldSignals& operator=(const HeldSignals&) = delete;
  const sigset_t& before() const { return before_; }

 private:
  sigset_t before_{};
};

/// The child's side, between fork and exec: only calls that are safe there. Does not return.
[[noreturn]] void become(char* const* argv, bool silent, pid_t parent, const sigset_t& mask) {
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (::getppid() != parent) ::_exit(128 + SIGTERM);
  const int nothing = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  if (nothing >= 0) {
    ::dup2(nothing, STDIN_FILENO);
    if (silent) ::dup2(nothing, STDOUT_FILENO);
  }
  ::signal(SIGTTOU, SIG_IGN);  // it may write to a terminal that its group is not in front of
  for (const int signal : ChildProcesses::kPassed)
    if (::signal(signal, SIG_DFL) == SIG_IGN && signal == SIGHUP) ::signal(signal, SIG_IGN);
  ::sigprocmask(SIG_SETMASK, &mask, nullptr);
  ::execv("/proc/self/exe", argv);
  ::_exit(127);
}

/// An element of running_children that is nobody's now.
class Slot {
 public:
  Slot() {
    const std::lock_guard lock(slots_mutex);
    while (place_ < ChildProcesses::kMost && running_children[place_] != 0) ++place_;
    if (place_ == ChildProcesses::kMost) throw Error(str("more than ", ChildProcesses::kMost, " processes at once"));
    running_children[place_] = kReserved;
  }
  ~Slot() { running_children[place_] = 0; }
  Slot(const Slot&) = delete;
  Slot& operator=(const Slot&) = delete;
  void holds(pid_t child) { running_children[place_] = child; }
  void reserve() { running_children[place_] = kReserved; }

 private:
  static constexpr std::sig_atomic_t kReserved = -1;
  size_t place_ = 0;
};

/// Waits without reaping, so that the number stays the child's until no handler can use it any more.
int wait_and_reap(pid_t child, Slot& slot) {
  siginfo_t info{};
  while (::waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT) != 0 && errno == EINTR) continue;
  const HeldSignals held;
  slot.reserve();
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
  return status;
}

/// The path, once its folder is there.
const std::string& made(const std::string& path) {
  std::error_code fault;
  std::filesystem::create_directories(path, fault);
  if (fault) throw Error(str("cannot make the folder ", path, ": ", fault.message(), "; --out names another place"));
  return path;
}

}  // namespace

bool ChildEnd::interrupted() const {
  const int stopped_by = signal != 0 ? signal : status - 128;
  const auto& passed = ChildProcesses::kPassed;
  return std::find(passed.begin(), passed.end(), stopped_by) != passed.end();
}

std::string ChildEnd::text() const {
  if (signal == 0) return str("exit status ", status);
  return str("signal ", signal, " (", ::strsignal(signal), signal == SIGKILL ? "; out of memory?)" : ")");
}

ChildProcesses::ChildProcesses() {
  received_signal = 0;
  struct sigaction action {};
  action.sa_handler = pass_on;
  action.sa_flags = SA_RESTART | SA_ONSTACK;
  sigemptyset(&action.sa_mask);
  for (size_t i = 0; i < kPassed.size(); ++i) {
    sigaction(kPassed[i], nullptr, &previous_[i]);
    if (kPassed[i] == SIGHUP && previous_[i].sa_handler == SIG_IGN) continue;
    sigaction(kPassed[i], &action, nullptr);
  }
}

ChildProcesses::~ChildProcesses() {
  for (size_t i = 0; i < kPassed.size(); ++i) sigaction(kPassed[i], &previous_[i], nullptr);
}

int ChildProcesses::received() { return received_signal; }

ChildEnd ChildProcesses::run(const std::vector<std::string>& arguments, bool silent,
                             const std::function<void(pid_t)>& started) {
  std::string program = "kaem";
  std::vector<std::string> words = arguments;
  std::vector<char*> argv = {program.data()};
  for (auto& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  const auto start = std::chrono::steady_clock::now();
  const pid_t parent = ::getpid();
  Slot slot;
  pid_t child = -1;
  {
    const HeldSignals held;
    if (received_signal != 0) return {0, static_cast<int>(received_signal), 0};  // it came before there was a child
    child = ::fork();
    if (child == 0) become(argv.data(), silent, parent, held.before());
    if (child > 0) slot.holds(child);
  }
  if (child < 0) throw Error(str("cannot start another process: ", std::generic_category().message(errno)));
  if (started) started(child);
  const int status = wait_and_reap(child, slot);
  ChildEnd end;
  if (WIFSIGNALED(status))
    end.signal = WTERMSIG(status);
  else
    end.status = WEXITSTATUS(status);
  end.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return end;
}

void refuse_launchers(const std::string& command) {
  if (const int64_t size = dist::place_here().size; size > 1)
    throw UsageError(
        str("kaem ", command, ": a launcher has started ", size, " of it; kaem train alone runs in several processes"));
}

bool wait_for_folder(const std::string& folder, double seconds) {
  const auto start = std::chrono::steady_clock::now();
  for (bool told = false; !io::FolderLock::is_free(folder); told = true) {
    const double waited = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    if (waited > seconds || ChildProcesses::received() != 0) return false;
    if (!told) log::info(str("waiting for the program that still trains in ", folder));
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  return true;
}

LockedFolder::LockedFolder(const std::string& path) : lock_(made(path), "at work in") { io::sweep_temporaries(path); }

}  // namespace kaem::app
