#include "kaem/core/log.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

namespace kaem {
namespace {

/// Standard error is a file while a test captures it, so that no status line may show.
template <class F>
std::string printed(F&& body) {
  testing::internal::CaptureStderr();
  body();
  return testing::internal::GetCapturedStderr();
}

struct LogTest : testing::Test {
  void TearDown() override {
    log::set_format(log::Format::kText);
    log::set_level(log::Level::kInfo);
    log::set_file("");
  }
};

TEST_F(LogTest, TextNamesTheLevelOfAllButInformation) {
  EXPECT_EQ(printed([] { log::info("plain {} line"); }), "plain {} line\n");
  EXPECT_EQ(printed([] { log::warn("careful"); }), "warning: careful\n");
  EXPECT_EQ(printed([] { log::error("wrong"); }), "error: wrong\n");
  EXPECT_EQ(printed([] { log::debug("detail"); }), "");
  log::set_level(log::Level::kDebug);
  EXPECT_EQ(printed([] { log::debug("detail"); }), "debug: detail\n");
  log::set_level(log::Level::kWarn);
  EXPECT_EQ(printed([] { log::info("plain"); }), "");
}

TEST_F(LogTest, JsonLinesAreEscaped) {
  log::set_format(log::Format::kJson);
  const std::string line = printed([] { log::warn("a \"quoted\"\nline \xff"); });
  EXPECT_EQ(line.rfind("{\"time\":\"", 0), 0u) << line;
  EXPECT_NE(line.find("\"level\":\"warning\",\"message\":\"a \\\"quoted\\\"\\nline \xef\xbf\xbd\"}\n"),
            std::string::npos)
      << line;
}

TEST_F(LogTest, JsonLinesCarryNumbersAsNumbers) {
  log::set_format(log::Format::kJson);
  const std::string line = printed([] {
    log::info("said", {{"updates", int64_t{12}}, {"loss", -0.5}, {"name", "a\"b"}});
  });
  EXPECT_NE(line.find("\"message\":\"said\",\"updates\":12,\"loss\":-0.5,\"name\":\"a\\\"b\"}\n"), std::string::npos)
      << line;
  log::set_format(log::Format::kText);
  EXPECT_EQ(printed([] { log::info("said", {{"updates", int64_t{12}}}); }), "said\n");
}

TEST_F(LogTest, NoStatusLineWithoutATerminal) {
  EXPECT_EQ(printed([] {
              log::set_status_line("[###...] 50%");
              log::info("message");
              log::set_status_line("");
            }),
            "message\n");
}

TEST_F(LogTest, FileIsAppendedToAndMayBeEnded) {
  const std::string path = testing::TempDir() + "kaem_log_test_" + std::to_string(::getpid()) + ".txt";
  std::filesystem::remove(path);
  printed([&] {
    log::set_file(path), log::info("first"), log::set_file("");
    log::info("between");
    log::set_file(path), log::warn("second");
  });
  EXPECT_EQ(printed([] { log::record(log::Level::kError, "third"); }), "") << "in the file alone";
  log::set_file("");
  std::ifstream file(path);
  std::string line;
  std::vector<std::string> lines;
  while (std::getline(file, line)) lines.push_back(line);
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_NE(lines[2].find(" error third"), std::string::npos) << lines[2];
  EXPECT_NE(lines[0].find(" info first"), std::string::npos) << lines[0];
  EXPECT_NE(lines[1].find(" warning second"), std::string::npos) << lines[1];
  std::filesystem::remove(path);
}

TEST_F(LogTest, AFileThatCannotBeWrittenIsOneWarning) {
  const std::string absent = printed([] {
    log::set_file("/dev/null/log.txt");
    log::info("first");
    log::record(log::Level::kError, "in the file alone");
  });
  EXPECT_EQ(absent.rfind("warning: there is no log file: ", 0), 0u) << absent;
  EXPECT_NE(absent.find("/dev/null/log.txt"), std::string::npos) << absent;
  EXPECT_TRUE(absent.ends_with("\nfirst\n")) << absent;
  if (!std::filesystem::exists("/dev/full")) GTEST_SKIP() << "no /dev/full";
  for (const bool by_record : {false, true}) {
    const std::string full = printed([&] {
      log::set_file("/dev/full");
      if (by_record) log::record(log::Level::kError, "in the file alone");
      log::info("first");
      log::info("second");
    });
    const std::string warning = "warning: lines are missing in the log file /dev/full";
    const size_t at = full.find(warning);
    ASSERT_NE(at, std::string::npos) << full;
    EXPECT_EQ(full.find(warning, at + 1), std::string::npos) << full;
    EXPECT_NE(full.find("first\n"), std::string::npos) << full;
    EXPECT_TRUE(full.ends_with("second\n")) << full;
  }
}

TEST_F(LogTest, LinesOfManyThreadsStayWhole) {
  const std::string text = printed([] {
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t)
      threads.emplace_back([] {
        for (int i = 0; i < 100; ++i) log::info("0123456789");
      });
    for (auto& thread : threads) thread.join();
  });
  std::istringstream lines(text);
  std::string line;
  int count = 0;
  for (; std::getline(lines, line); ++count) EXPECT_EQ(line, "0123456789");
  EXPECT_EQ(count, 400);
}

}  // namespace
}  // namespace kaem
