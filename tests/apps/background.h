#pragma once

#include <chrono>
#include <thread>

#include "apps/support.h"

namespace kaem {

/// The program at work while the test looks on.
class Background : public Program {
 protected:
  /// Starts the program without waiting for it; returns the number of the process.
  pid_t start(const std::string& arguments) const {
    for (const char* file : {"pid.txt", "status.txt"}) std::filesystem::remove(folder / file);
    const std::string command = "cd " + folder.string() + " && { XDG_CACHE_HOME=" + folder.string() +
                                "/cache KAEM_DATA_DIR= " + program() + " " + arguments +
                                " >out.txt 2>err.txt </dev/null & echo $! >pid.txt; wait $!; echo $? >status.txt; } " +
                                ">/dev/null 2>&1 </dev/null &";
    EXPECT_EQ(std::system(command.c_str()), 0);
    EXPECT_TRUE(comes([&] { return content_of(folder / "pid.txt").ends_with('\n'); }));
    return std::stoi(content_of(folder / "pid.txt"));
  }

  /// The exit status of what `start` started, once it has ended.
  int status_of_started() const {
    EXPECT_TRUE(comes([&] { return content_of(folder / "status.txt").ends_with('\n'); }));
    return std::stoi(content_of(folder / "status.txt"));
  }

  /// Waits for something to become true; the limit is only there to end a test that hangs.
  template <class Condition>
  static bool comes(Condition&& condition) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(120);
    while (!condition()) {
      if (std::chrono::steady_clock::now() > end) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return true;
  }
};

}  // namespace kaem
