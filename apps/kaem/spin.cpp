// Threads of OpenMP wait for each other by spinning, which takes the processors from others, and from each other where
// something else runs beside: updates became seven times as long with two busy processes on two processors. The
// run-time library reads how long it may spin when it is loaded, so that the program has to say it before: it starts
// itself anew, ahead of the libraries' own initialisation, which takes most of a start. GOMP_SPINCOUNT and
// OMP_WAIT_POLICY of the user's stay.
#include <unistd.h>

#include <array>
#include <cstring>

#if !defined(__SANITIZE_ADDRESS__)  // whose run-time library is not there yet at that point

namespace {

constexpr size_t kMostVariables = 4096;

bool starts_with(const char* text, const char* beginning) {
  return std::strncmp(text, beginning, std::strlen(beginning)) == 0;
}

void say_how_long_to_spin(int, char** arguments, char** variables) {
  static std::array<char*, kMostVariables + 2> more{};
  static std::array<char, 4096> path{};
  static char spin[] = "GOMP_SPINCOUNT=20000";
  size_t count = 0;
  for (; variables[count] != nullptr; ++count) {
    if (count >= kMostVariables || starts_with(variables[count], "GOMP_SPINCOUNT=") ||
        starts_with(variables[count], "OMP_WAIT_POLICY="))
      return;
    more[count] = variables[count];
  }
  more[count] = spin;
  if (::readlink("/proc/self/exe", path.data(), path.size() - 1) <= 0) return;
  ::execve(path.data(), arguments, more.data());  // comes back if it fails: then threads spin
}

__attribute__((section(".preinit_array"), used)) void (*const kFirst)(int, char**, char**) = say_how_long_to_spin;

}  // namespace

#endif
