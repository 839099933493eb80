#include "kaem/io/file.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <cerrno>
#include <csignal>

#include "kaem/core/error.h"
#include "kaem/io/child.h"
#include "support/files.h"

namespace kaem {
namespace {

using test::expect_message;
using test::message_of;
using test::TemporaryFolder;

TEST(File, ReadsBackWhatWasWritten) {
  const TemporaryFolder folder;
  for (const size_t size : {size_t{0}, size_t{1}, size_t{1} << 20, (size_t{1} << 20) + 7}) {
    std::string content(size, '\0');
    for (size_t i = 0; i < size; ++i) content[i] = static_cast<char>(i * 2654435761u >> 13);
    io::write_file_atomic(folder / "file", content);
    EXPECT_EQ(io::read_file(folder / "file"), content);
  }
  EXPECT_EQ(folder.names(), std::vector<std::string>{"file"});
}

TEST(File, UnreadableFilesAreNamed) {
  const TemporaryFolder folder;
  expect_message(message_of<DataError>([&] { io::read_file(folder / "absent"); }), {folder / "absent", "No such file"});
  expect_message(message_of<DataError>([&] { io::read_file(folder.str()); }), {folder.str(), "Is a directory"});
}

TEST(File, JsonThatNestsDeeplyIsNone) {
  const TemporaryFolder folder;
  const std::string path = folder / "a.json";
  const auto read = [&](const std::string& text) {
    test::put(path, text);
    return io::read_json(path);
  };
  const std::string deep(64, '['), back(64, ']'), flat = R"({"a": "[[[\"[[\\", "b": [1, {"c": []}]})";
  EXPECT_EQ(read(deep + back), deep + back);
  EXPECT_EQ(read("[" + deep + back + "]"), "");
  EXPECT_EQ(read(std::string(1000000, '{')), "");
  EXPECT_EQ(read(flat), flat);
  std::string many;
  for (int i = 0; i < 100; ++i) many += "[],";
  EXPECT_EQ(read(many), many) << "one after another is not deep";
  EXPECT_EQ(read("\"" + std::string(100, '[') + "\""), "\"" + std::string(100, '[') + "\"");
}

TEST(File, WritingBelowAFileFails) {
  const TemporaryFolder folder;
  test::put(folder / "file", "x");
  const std::string path = folder / "file/below";
  expect_message(message_of<Error>([&] { io::write_file_atomic(path, "y"); }),
                 {"cannot write " + path, "Not a directory"});
  EXPECT_EQ(folder.names(), std::vector<std::string>{"file"});
}

TEST(File, WritingIntoAFolderThatTakesNoFilesFails) {
  const std::string path = "/proc/kaem_test";
  expect_message(message_of<Error>([&] { io::write_file_atomic(path, "y"); }), {"cannot write " + path + ": "});
}

TEST(File, FailedRenameLeavesNoTemporary) {
  const TemporaryFolder folder;
  test::put(folder / "target/inside", "x");
  expect_message(message_of<Error>([&] { io::write_file_atomic(folder / "target", "y"); }), {folder / "target"});
  EXPECT_EQ(folder.names(), std::vector<std::string>{"target"});
}

TEST(File, FailedWriteKeepsTheOldContentAndLeavesNoTemporary) {
  const TemporaryFolder folder;
  io::write_file_atomic(folder / "file", "old");
  // A limit on file sizes fails in the middle of the write, as a full disk does.
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit old{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &old), 0);
  const rlimit small{1000, old.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  const std::string message =
      message_of<Error>([&] { io::write_file_atomic(folder / "file", std::string(5000, 'x')); });
  setrlimit(RLIMIT_FSIZE, &old);
  std::signal(SIGXFSZ, handler);
  expect_message(message, {folder / "file", "File too large"});
  EXPECT_EQ(test::get(folder / "file"), "old");
  EXPECT_EQ(folder.names(), std::vector<std::string>{"file"});
}

TEST(File, WrittenBitByBitIsThereAtItsCommitOnly) {
  const TemporaryFolder folder;
  const std::string path = folder / "rows";
  {
    io::AtomicFile file(path);
    file.write("lost");
  }
  EXPECT_TRUE(folder.names().empty());
  io::AtomicFile file(path);
  std::string want;
  for (int i = 0; i < 30000; ++i) file.write("0123456789"), want += "0123456789";
  EXPECT_EQ(folder.names().size(), 1u);
  EXPECT_NE(folder.names().front(), "rows");
  file.commit();
  EXPECT_EQ(test::get(path), want);
  EXPECT_EQ(folder.names(), std::vector<std::string>{"rows"});
  io::AtomicFile null("/dev/null");  // stays a device
  null.write("x");
  null.commit();
  EXPECT_TRUE(std::filesystem::is_character_file("/dev/null"));
}

TEST(File, FullDeviceIsReported) {
  expect_message(message_of<Error>([] { io::write_file_atomic("/dev/full", "x"); }), {"/dev/full", "No space left"});
}

TEST(Child, WhatItReturnsThrowsOrDiesOfComesBack) {
  const std::string large(3 << 20, 'x');
  EXPECT_EQ(io::in_child("f", [&] { return large; }), large);
  EXPECT_EQ(io::in_child("f", [] { return std::string(); }), "");
  EXPECT_EQ(
      message_of<DataError>([] { io::in_child("f", []() -> std::string { throw DataError("f: not one of ours"); }); }),
      "f: not one of ours");
  for (const int signal : {SIGSEGV, SIGBUS, SIGABRT, SIGKILL})
    EXPECT_EQ(message_of<DataError>([&] {
                io::in_child("f.h5", [&] {
                  std::raise(signal);
                  return std::string("too late");
                });
              }),
              "f.h5 is damaged");
  errno = 0;
  EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1);
  EXPECT_EQ(errno, ECHILD) << "no process is left";
}

TEST(Digest, KnownValues) {  // FIPS 180-2 and RFC 1321
  EXPECT_EQ(io::sha256("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(io::sha256(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(io::md5("abc"), "900150983cd24fb0d6963f7d28e17f72");
}

TEST(Gzip, ReadsWhatAnotherProgramWrote) {
  const TemporaryFolder folder;
  const std::string packed = test::unhex("1f8b0800000000000203cb48cdc9c9d751c8c0a40055a382771a000000");
  const std::string text = "hello, hello, hello, hello";
  test::put(folder / "packed", packed);
  test::put(folder / "plain", text);
  EXPECT_EQ(io::read_maybe_gzip(folder / "packed"), text);
  EXPECT_EQ(io::read_maybe_gzip(folder / "plain"), text);
  EXPECT_EQ(io::gunzip(packed + packed, "two members"), text + text);
}

TEST(Gzip, LargeContentRoundTrips) {
  std::string content(3'000'000, '\0');
  for (size_t i = 0; i < content.size(); ++i) content[i] = static_cast<char>(i * i >> 7);
  EXPECT_EQ(io::gunzip(test::gzip(content), "large"), content);
}

TEST(Gzip, EveryTruncationAndTrailingBytesAreRefused) {
  const std::string packed = test::gzip("some content that is long enough to have a body, a body, a body");
  for (size_t size = 2; size < packed.size(); ++size)
    expect_message(message_of<DataError>([&] { io::gunzip(packed.substr(0, size), "F"); }),
                   {"F: truncated gzip stream"});
  expect_message(message_of<DataError>([&] { io::gunzip(packed + "rest", "F"); }), {"F: 4 bytes follow"});
}

TEST(Gzip, DamagedContentIsRefused) {
  const std::string packed = test::gzip(std::string(1000, 'a') + std::string(1000, 'b'));
  for (size_t i = 10; i < packed.size(); ++i) {  // behind the header, every byte counts: data, checksum, length
    std::string damaged = packed;
    damaged[i] = static_cast<char>(damaged[i] ^ 0x55);
    EXPECT_THROW(io::gunzip(damaged, "F"), DataError) << "byte " << i;
  }
}

TEST(Gzip, LimitOnTheContentHolds) {
  const std::string packed = test::gzip(std::string(100'000, '\0'));
  EXPECT_EQ(io::gunzip(packed, "F", 100'000).size(), 100'000u);
  expect_message(message_of<DataError>([&] { io::gunzip(packed, "F", 99'999); }), {"F: ", "more than 99999 bytes"});
}

}  // namespace
}  // namespace kaem
