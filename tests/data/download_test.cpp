#include "data/download.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <mutex>
#include <thread>

#include "kaem/core/error.h"
#include "kaem/core/str.h"
#include "kaem/io/file.h"
#include "support/files.h"

namespace kaem {
namespace {

using namespace test;

/// An HTTP server on this machine that serves one content, with or without ranges, or cut short.
class Server {
 public:
  explicit Server(std::string content) : content_(std::move(content)), socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET, address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* const general = reinterpret_cast<sockaddr*>(&address);
    if (::bind(socket_, general, size) != 0 || ::listen(socket_, 8) != 0 || ::getsockname(socket_, general, &size) != 0)
      throw std::runtime_error("no server");
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  ~Server() {
    stop_ = true;
    ::shutdown(socket_, SHUT_RDWR);
    ::close(socket_);
    thread_.join();
  }
  std::string place() const { return str("http://127.0.0.1:", port_); }
  std::string url() const { return str("http://127.0.0.1:", port_, "/file"); }
  std::vector<std::string> ranges() {  ///< of the requests so far; "" without
    const std::scoped_lock lock(mutex_);
    return ranges_;
  }

  bool with_ranges = true;
  bool redirects = false;                   ///< to itself
  bool drips = false;                       ///< a byte every 5 ms
  std::atomic<size_t> cut_after{SIZE_MAX};  ///< bytes of a body after which the connection ends

 private:
  void serve() {
    while (!stop_) {
      const int connection = ::accept(socket_, nullptr, nullptr);
      if (connection < 0) return;
      answer(connection);
      ::close(connection);
    }
  }
  void answer(int connection) {
    std::string request(4096, '\0');
    const ssize_t size = ::recv(connection, request.data(), request.size(), 0);
    request.resize(size > 0 ? static_cast<size_t>(size) : 0);
    const std::string key = "Range: bytes=";
    const size_t at = request.find(key);
    const std::string range =
        at == std::string::npos ? "" : request.substr(at + key.size(), request.find('\r', at) - at - key.size());
    {
      const std::scoped_lock lock(mutex_);
      ranges_.push_back(range);
    }
    if (redirects) {
      send(connection, str("HTTP/1.1 302 Found\r\nLocation: ", url(), "\r\nContent-Length: 0\r\n\r\n"));
      return;
    }
    const size_t first = range.empty() || !with_ranges ? 0 : std::stoul(range);
    std::string head, body;
    if (first >= content_.size()) {
      head = "HTTP/1.1 416 Range Not Satisfiable\r\nContent-Length: 0\r\n\r\n";
    } else {
      body = content_.substr(first);
      head = str(
          "HTTP/1.1 ", first > 0 ? "206 Partial Content" : "200 OK", "\r\nContent-Length: ", body.size(), "\r\n",
          first > 0 ? str("Content-Range: bytes ", first, "-", content_.size() - 1, "/", content_.size(), "\r\n") : "",
          "\r\n");
    }
    if (!send(connection, head)) return;
    if (!drips) send(connection, body.substr(0, cut_after));
    for (size_t i = 0; drips && i < body.size() && !stop_; ++i) {
      if (!send(connection, body.substr(i, 1))) return;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  }
  static bool send(int connection, const std::string& all) {
    for (size_t sent = 0; sent < all.size();) {
      const ssize_t count = ::send(connection, all.data() + sent, all.size() - sent, MSG_NOSIGNAL);
      if (count <= 0) return false;
      sent += static_cast<size_t>(count);
    }
    return true;
  }

  std::string content_;
  int socket_;
  uint16_t port_ = 0;
  std::atomic<bool> stop_{false};
  std::mutex mutex_;
  std::vector<std::string> ranges_;
  std::thread thread_;
};

std::string content() {
  std::string bytes;
  for (int i = 0; i < 50000; ++i) bytes += static_cast<char>(int64_t{i} * i % 251);
  return bytes;
}

struct Download : testing::Test {
  void SetUp() override {
    const std::string answer = download({"file:///nowhere/at/all"}, folder / "probe", {}, {});
    if (answer.find("without downloads") != std::string::npos) GTEST_SKIP() << answer;
  }
  TemporaryFolder folder;
  std::string path = folder / "data.bin", part = path + ".part";
  Checksum sum{io::sha256(content()), ""};
};

TEST_F(Download, GoesOnWhereATransferWasCutShort) {
  Server server(content());
  server.cut_after = 20000;
  expect_message(download({server.url()}, path, sum, {}), {server.place()});
  ASSERT_EQ(get(part), content().substr(0, 20000));
  EXPECT_FALSE(std::filesystem::exists(path));
  server.cut_after = SIZE_MAX;
  int64_t least = 1 << 30, most = 0, total = 0;
  EXPECT_EQ(download({server.url()}, path, sum,
                     [&](const std::string&, int64_t done, int64_t all) {
                       least = std::min(least, done), most = std::max(most, done), total = std::max(total, all);
                     }),
            "");
  EXPECT_EQ(get(path), content());
  EXPECT_FALSE(std::filesystem::exists(part));
  EXPECT_EQ(server.ranges(), (std::vector<std::string>{"", "20000-"}));
  EXPECT_EQ(least, 20000);
  EXPECT_EQ(most, 50000);
  EXPECT_EQ(total, 50000);
}

TEST_F(Download, TheNextMirrorGoesOn) {
  Server first(content()), second(content());
  first.cut_after = 30000;
  EXPECT_EQ(download({first.url(), second.url()}, path, sum, {}), "");
  EXPECT_EQ(get(path), content());
  EXPECT_EQ(second.ranges(), (std::vector<std::string>{"30000-"}));
}

TEST_F(Download, AServerWithoutRangesSendsAllAgain) {
  Server server(content());
  server.with_ranges = false;
  put(part, content().substr(0, 1234));
  EXPECT_EQ(download({server.url()}, path, sum, {}), "");
  EXPECT_EQ(get(path), content());
}

TEST_F(Download, APartOfSomethingElseIsDroppedOnce) {
  Server server(content());
  for (const std::string& old : {std::string(500, 'x'), std::string(60000, 'x'), content()}) {
    put(part, old);
    EXPECT_EQ(download({server.url()}, path, sum, {}), "");
    EXPECT_EQ(get(path), content());
    std::filesystem::remove(path);
  }
}

TEST_F(Download, ChecksumsOfEitherKindJudge) {
  Server server(content());
  EXPECT_EQ(download({server.url()}, path, {"", io::md5(content())}, {}), "");
  EXPECT_EQ(download({server.url()}, path, {}, {}), "");
  expect_message(message_of<DataError>([&] {
                   download({server.url()}, path, {"", std::string(32, '0')}, {});
                 }),
                 {path, "MD5 " + io::md5(content()).substr(0, 16), "expected 000", "removed"});
  EXPECT_FALSE(std::filesystem::exists(part));
}

TEST_F(Download, AMirrorThatSendsSomethingElseIsPassedOver) {
  Server wrong("<html>log in first</html>"), good(content());
  EXPECT_EQ(download({wrong.url(), good.url()}, path, sum, {}), "");
  EXPECT_EQ(get(path), content());
  std::filesystem::remove(path);
  expect_message(message_of<DataError>([&] {
                   download({wrong.url(), "file:///nowhere/b"}, path, sum, {});
                 }),
                 {wrong.place(), "was removed", "file:///nowhere/b"});
}

TEST_F(Download, RedirectsEnd) {
  Server server(content());
  server.redirects = true;
  expect_message(download({server.url()}, path, sum, {}), {server.place(), "redirect"});
  EXPECT_LE(server.ranges().size(), 12u);
  EXPECT_FALSE(std::filesystem::exists(part));
}

TEST_F(Download, ADripAndAnEndlessFileAreGivenUp) {
  Server server(content());
  server.drips = true;
  expect_message(download({server.url()}, path, sum, {}, {.patience_seconds = 0.1, .slowest_bytes_per_second = 1e6}),
                 {server.place(), "sends less than 1000000 bytes a second"});
  EXPECT_GT(get(part).size(), 0u) << "what has come stays";
  std::filesystem::remove(part);
  Server large(content());
  expect_message(download({large.url()}, path, sum, {}, {.most_bytes = 1000}), {large.place(), "more than 1000 bytes"});
  EXPECT_FALSE(std::filesystem::exists(part));
}

TEST_F(Download, ThePartIsLockedFromTheFirstByteToTheName) {
  Server server(content());
  const auto lock = [&] {
    const int descriptor = ::open(part.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    EXPECT_GE(descriptor, 0);
    return std::pair(descriptor, ::flock(descriptor, LOCK_EX | LOCK_NB) == 0);
  };
  int taken = 0, calls = 0;
  EXPECT_EQ(download({server.url()}, path, sum,
                     [&](const std::string&, int64_t, int64_t) {
                       const auto [descriptor, mine] = lock();
                       taken += mine ? 1 : 0, ++calls;
                       ::close(descriptor);
                     }),
            "");
  EXPECT_GT(calls, 0);
  EXPECT_EQ(taken, 0);
  std::filesystem::remove(path);
  put(part, "what another program has so far");
  const auto [descriptor, mine] = lock();
  ASSERT_TRUE(mine);
  expect_message(download({server.url()}, path, sum, {}), {"another program is downloading " + part});
  EXPECT_EQ(get(part), "what another program has so far");
  ::close(descriptor);
  EXPECT_EQ(download({server.url()}, path, sum, {}), "");
}

TEST_F(Download, PasswordsAreNotShown) {
  EXPECT_EQ(without_password("https://me:secret@host:8/a@b?token=1"), "https://host:8/a@b?...");
  EXPECT_EQ(without_password("https://me@host"), "https://host");
  EXPECT_EQ(without_password("https://host/a/b"), "https://host/a/b");
  EXPECT_EQ(without_password("file:///a/b@c"), "file:///a/b@c");
  EXPECT_EQ(without_password("https://me:p@ss@host/"), "https://host/");
  EXPECT_EQ(without_password("//me:secret@host:8/a"), "//host:8/a");
  EXPECT_EQ(without_password("me:secret@host:8/a"), "host:8/a");
  EXPECT_EQ(without_password("https://host:8080/a@b"), "https://host:8080/a@b");
  for (const char* sign : {"/", "?", "#", "/x?y#"}) {
    const std::string url = std::string("http://me:sec") + sign + "ret@host:8/a";
    EXPECT_EQ(without_password(url).find("sec"), std::string::npos) << without_password(url);
    EXPECT_EQ(without_password(url).find("ret"), std::string::npos) << without_password(url);
  }
  const std::string answer = download({"http://me:secret@127.0.0.1:9/a?key=hidden"}, path, sum, {});
  expect_message(answer, {"http://127.0.0.1:9: "});
  EXPECT_EQ(answer.find("secret"), std::string::npos) << answer;
  EXPECT_EQ(answer.find("hidden"), std::string::npos) << answer;
}

TEST_F(Download, MirrorsThatDoNotAnswerAreAllNamed) {
  const std::string answer = download({"http://127.0.0.1:9/a", "file:///nowhere/b"}, path, sum, {});
  expect_message(answer, {"http://127.0.0.1:9: ", "file:///nowhere/b"});
  EXPECT_FALSE(std::filesystem::exists(part));
}

}  // namespace
}  // namespace kaem
