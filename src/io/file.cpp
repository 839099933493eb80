#include "kaem/io/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <filesystem>
#include <random>
#include <system_error>
#include <utility>
#include <vector>

#include "kaem/core/error.h"
#include "kaem/core/str.h"

namespace kaem::io {
namespace {

constexpr std::string_view kTemporary = ".tmp.";

std::string reason(int error) { return std::generic_category().message(error); }

/// A file descriptor that is closed on every way out.
class Descriptor {
 public:
  Descriptor(const std::string& path, int flags, mode_t mode = 0)
      : value_(::open(path.c_str(), flags | O_CLOEXEC, mode)) {}
  ~Descriptor() { close(); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  bool ok() const { return value_ >= 0; }
  int get() const { return value_; }
  int close() {
    const int result = value_ >= 0 ? ::close(value_) : 0;
    value_ = -1;
    return result;
  }

 private:
  int value_;
};

std::string folder_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

[[noreturn]] void fail_write(const std::string& path, int error) {
  throw Error(str("cannot write ", path, ": ", reason(error)));
}

void write_all(int descriptor, std::string_view content, const std::string& path) {
  while (!content.empty()) {
    const ssize_t written = ::write(descriptor, content.data(), content.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail_write(path, errno);
    content.remove_prefix(static_cast<size_t>(written));
  }
}

/// A rename is durable only when its folder is synced; some file systems do not offer that for folders.
void sync_folder(const std::string& path) {
  const Descriptor folder(folder_of(path), O_RDONLY | O_DIRECTORY);
  if (!folder.ok() || ::fsync(folder.get()) == 0) return;
  if (errno != EINVAL && errno != ENOTSUP && errno != EROFS) fail_write(path, errno);
}

bool is_special(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 && !S_ISREG(info.st_mode) && !S_ISDIR(info.st_mode);
}

}  // namespace

constexpr size_t kMostOfDevice = size_t{1} << 28;  // bytes of what is no regular file

std::string read_file(const std::string& path) {
  const auto fail = [&](const std::string& why) { throw DataError(str("cannot read ", path, ": ", why)); };
  const Descriptor file(path, O_RDONLY);
  if (!file.ok()) fail(reason(errno));
  struct stat info {};
  if (::fstat(file.get(), &info) != 0) fail(reason(errno));
  if (S_ISDIR(info.st_mode)) fail(reason(EISDIR));
  std::string content;
  if (S_ISREG(info.st_mode)) content.reserve(static_cast<size_t>(info.st_size));
  // Read to the end, not to st_size: files of /proc and growing files tell no true size.
  std::string buffer(size_t{1} << 20, '\0');
  while (true) {
    const ssize_t count = ::read(file.get(), buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail(reason(errno));
    if (count == 0) return content;
    content.append(buffer, 0, static_cast<size_t>(count));
    if (!S_ISREG(info.st_mode) && content.size() > kMostOfDevice) fail("no file but an endless device or pipe");
  }
}

std::string read_json(const std::string& path) {
  constexpr int kDeepest = 64;
  std::string text = read_file(path);
  int depth = 0;
  bool quoted = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '"') quoted = !quoted;
    if (quoted && c == '\\') ++i;
    if (quoted) continue;
    if (c == '[' || c == '{') ++depth;
    if (c == ']' || c == '}') --depth;
    if (depth > kDeepest) return "";
  }
  return text;
}

std::string read_maybe_gzip(const std::string& path, size_t max_bytes) {
  std::string content = read_file(path);
  return is_gzip(content) ? gunzip(content, path, max_bytes) : content;
}

bool is_temporary_name(std::string_view name) { return name.find(kTemporary) != std::string_view::npos; }

void sweep_temporaries(const std::string& folder) {
  namespace fs = std::filesystem;
  std::error_code ignored;
  std::vector<fs::path> left;
  for (const auto& entry : fs::directory_iterator(folder, ignored))
    if (is_temporary_name(entry.path().filename().string())) left.push_back(entry.path());
  for (const auto& path : left) fs::remove(path, ignored);
}

AtomicFile::AtomicFile(std::string path) : path_(std::move(path)) {
  if (is_special(path_)) {
    descriptor_ = ::open(path_.c_str(), O_WRONLY | O_CLOEXEC);
  } else {
    // Neither the process nor the count tells it from what another machine or container has left there.
    static std::atomic<unsigned> count{0};
    std::random_device entropy;
    for (int attempt = 0; descriptor_ < 0 && attempt < 100; ++attempt) {
      temporary_ = str(path_, kTemporary, ::getpid(), ".", count++, ".", entropy());
      descriptor_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
      if (descriptor_ < 0 && errno != EEXIST) break;
    }
  }
  if (descriptor_ >= 0) return;
  temporary_.clear();
  fail_write(path_, errno);
}

AtomicFile::~AtomicFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

void AtomicFile::write(std::string_view part) {
  constexpr size_t kBuffer = size_t{1} << 16;
  buffer_ += part;
  if (buffer_.size() >= kBuffer) flush();
}

void AtomicFile::flush() {
  write_all(descriptor_, buffer_, path_);
  buffer_.clear();
}

void AtomicFile::commit() {
  flush();
  if (!temporary_.empty() && ::fsync(descriptor_) != 0) fail_write(path_, errno);
  const int closed = ::close(std::exchange(descriptor_, -1));
  if (closed != 0) fail_write(path_, errno);
  if (temporary_.empty()) return;
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) fail_write(path_, errno);
  temporary_.clear();
  sync_folder(path_);
}

void write_file_atomic(const std::string& path, std::string_view content) {
  AtomicFile file(path);
  file.write(content);
  file.commit();
}

}  // namespace kaem::io
