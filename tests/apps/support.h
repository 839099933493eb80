#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "support/message.h"

namespace kaem {

inline std::string content_of(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// The program stands beside the folder of the tests, in the build and in a staged tree alike.
inline std::string program() {
  return (std::filesystem::read_symlink("/proc/self/exe").parent_path().parent_path() / "kaem").string();
}

/// What a run of the program left behind.
struct Outcome {
  int status = -1;
  std::string out, err;
  /// The last line of standard error: messages of a run may stand before it.
  std::string error_line() const {
    const std::string text = err.substr(0, err.size() - (err.ends_with('\n') ? 1 : 0));
    return text.substr(text.rfind('\n') + 1);
  }
};

/// A folder of its own for each test, removed at its end, and the program run in it as a user would.
class Program : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "kaem_apps_XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder = pattern;
  }
  void TearDown() override {
    std::error_code ignored;
    std::filesystem::permissions(folder, std::filesystem::perms::owner_all, ignored);
    std::filesystem::remove_all(folder, ignored);
  }

  /// `arguments` are shell words. The cache and the data folder are the test's own.
  Outcome kaem(const std::string& arguments) const {
    const std::string command = "cd " + folder.string() + " && XDG_CACHE_HOME=" + folder.string() +
                                "/cache KAEM_DATA_DIR= " + program() + " " + arguments +
                                " >out.txt 2>err.txt </dev/null";
    const int status = std::system(command.c_str());
    return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), content_of(folder / "out.txt"),
            content_of(folder / "err.txt")};
  }

  /// The single error line of a call that must fail with `status`.
  std::string refused(const std::string& arguments, int status = 2) const {
    const Outcome outcome = kaem(arguments);
    EXPECT_EQ(outcome.status, status) << arguments << "\n" << outcome.err;
    EXPECT_EQ(outcome.error_line() + "\n", outcome.err) << "more than one line";
    test::expect_readable(outcome.error_line());
    return outcome.err;
  }

  void write(const std::string& name, const std::string& text) const {
    std::ofstream(folder / name, std::ios::binary) << text;
  }

  std::filesystem::path folder;
};

#define EXPECT_HAS(text, part) EXPECT_NE(std::string(text).find(part), std::string::npos) << text

}  // namespace kaem
