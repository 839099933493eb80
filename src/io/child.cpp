#include "kaem/io/child.h"

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <exception>
#include <system_error>

#include "kaem/core/error.h"
#include "kaem/core/str.h"

namespace kaem::io {
namespace {

constexpr char kDone = 'd', kFailed = 'f';

bool send(int descriptor, const std::string& bytes) {
  for (size_t done = 0; done < bytes.size();) {
    const ssize_t count = ::write(descriptor, bytes.data() + done, bytes.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    done += static_cast<size_t>(count);
  }
  return true;
}

std::string read_all(int descriptor) {
  std::string bytes, buffer(size_t{1} << 20, '\0');
  while (true) {
    const ssize_t count = ::read(descriptor, buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return bytes;
    bytes.append(buffer, 0, static_cast<size_t>(count));
  }
}

[[noreturn]] void run_and_exit(int answer, const std::function<std::string()>& work) {
  // A crash here is an answer: no handler of the program, and no file with the memory.
  for (const int signal : {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL}) std::signal(signal, SIG_DFL);
  std::string bytes;
  try {
    bytes = kDone + work();
  } catch (const std::exception& error) {
    bytes = kFailed + std::string(error.what());
  }
  ::_exit(send(answer, bytes) ? 0 : 1);
}

}  // namespace

std::string in_child(const std::string& what, const std::function<std::string()>& work) {
  std::array<int, 2> pipe{};
  const auto fail = [&](const std::string& why) { throw DataError(str(what, " ", why)); };
  if (::pipe(pipe.data()) != 0) fail("cannot be read: " + std::generic_category().message(errno));
  const pid_t child = ::fork();
  if (child == 0) {
    ::close(pipe[0]);
    run_and_exit(pipe[1], work);
  }
  const int problem = errno;
  ::close(pipe[1]);
  if (child < 0) {
    ::close(pipe[0]);
    fail("cannot be read: " + std::generic_category().message(problem));
  }
  std::string answer = read_all(pipe[0]);
  ::close(pipe[0]);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (answer.empty() || !WIFEXITED(status) || WEXITSTATUS(status) != 0) fail("is damaged");
  const bool done = answer.front() == kDone;
  answer.erase(0, 1);
  if (!done) throw DataError(answer);
  return answer;
}

}  // namespace kaem::io
