#include "data/download.h"

#include <algorithm>

#include "kaem/core/error.h"
#include "kaem/core/str.h"

namespace kaem {

std::string without_password(const std::string& url) {
  if (url.starts_with("file:")) return url;
  const size_t slashes = url.find("//"), host = slashes == std::string::npos ? 0 : slashes + 2;
  size_t end = std::min(url.find_first_of("/?#", host), url.size());
  // A password may hold any of these signs too: what stands before the first is a host only if its colon has a port.
  const size_t colon = std::min(url.find(':', host), end);
  const bool port = url.find_first_not_of("0123456789", std::min(colon + 1, end)) >= end;
  if (!port && url.find('@', host) >= end) end = url.size();
  const size_t at = url.rfind('@', end);
  std::string text = at != std::string::npos && at >= host && at < end ? url.substr(0, host) + url.substr(at + 1) : url;
  // What follows a question mark may be a signature or a token.
  if (const size_t query = text.find_first_of("?#"); query != std::string::npos) text = text.substr(0, query) + "?...";
  return text;
}

}  // namespace kaem

#ifdef KAEM_WITH_DOWNLOAD

#include <curl/curl.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <exception>
#include <filesystem>
#include <memory>
#include <system_error>

#include "kaem/io/file.h"

namespace kaem {
namespace {

std::string because(int error) { return std::generic_category().message(error); }

/// The part file of a download: locked from before its first byte is written until it has its name, so that of two
/// programs one downloads and the other says so.
class PartFile {
 public:
  explicit PartFile(std::string path) : path_(std::move(path)) {
    // Whoever holds the lock may give the file its name: what is locked then is no part file any more.
    do {
      close();
      descriptor_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
      if (descriptor_ < 0)
        failure_ = str("cannot write ", path_, ": ", because(errno));
      else if (::flock(descriptor_, LOCK_EX | LOCK_NB) != 0)
        failure_ = errno == EWOULDBLOCK ? str("another program is downloading ", path_)
                                        : str("cannot lock ", path_, ": ", because(errno));
    } while (failure_.empty() && !is_at_path());
  }
  ~PartFile() {
    if (failure_.empty() && size() == 0) ::unlink(path_.c_str());
    close();
  }
  PartFile(const PartFile&) = delete;
  PartFile& operator=(const PartFile&) = delete;

  const std::string& failure() const { return failure_; }  ///< why it cannot be had; empty if it can
  int64_t size() const {
    struct stat info {};
    return ::fstat(descriptor_, &info) == 0 ? info.st_size : 0;
  }
  bool empty_it() const { return ::ftruncate(descriptor_, 0) == 0; }
  bool append(const char* bytes, size_t count) const {
    if (::lseek(descriptor_, 0, SEEK_END) < 0) return false;
    for (size_t done = 0; done < count;) {
      const ssize_t written = ::write(descriptor_, bytes + done, count - done);
      if (written < 0 && errno == EINTR) continue;
      if (written <= 0) return false;
      done += static_cast<size_t>(written);
    }
    return true;
  }
  /// On the disk, then under its name; why not, or an empty string.
  std::string rename_to(const std::string& target) const {
    if (::fsync(descriptor_) != 0 || ::rename(path_.c_str(), target.c_str()) != 0)
      return str("cannot write ", target, ": ", because(errno));
    return "";
  }
  const std::string& path() const { return path_; }

 private:
  bool is_at_path() const {
    struct stat mine {
    }, there{};
    return ::fstat(descriptor_, &mine) == 0 && ::stat(path_.c_str(), &there) == 0 && mine.st_ino == there.st_ino &&
           mine.st_dev == there.st_dev;
  }
  void close() {
    if (descriptor_ >= 0) ::close(descriptor_);
    descriptor_ = -1;
  }

  std::string path_, failure_;
  int descriptor_ = -1;
};

/// Who is asked, for messages: scheme, host and port, or the whole URL of a file.
std::string server_of(const std::string& url) {
  const std::string shown = without_password(url);
  const size_t slashes = shown.find("//");
  if (slashes == std::string::npos || shown.starts_with("file:")) return shown;
  return shown.substr(0, shown.find('/', slashes + 2));
}

/// One transfer; what libcurl's callbacks are given.
struct Transfer {
  const DataProgress& progress;
  const DownloadLimits& limits;
  std::string what;
  const PartFile& part;
  curl_off_t before = 0;  ///< bytes of an earlier transfer that this one goes on from
  CURL* curl = nullptr;
  std::chrono::steady_clock::time_point begun = std::chrono::steady_clock::now();
  bool restarted = false;         ///< the server sends the whole file all the same
  std::string gave_up = {};       ///< why this program ended the transfer
  std::exception_ptr error = {};  ///< of the progress callback: it must not fly through C code
};

/// True if a transfer that has brought `bytes` is below the mean speed asked for: a drip never counts as hanging.
bool is_too_slow(const Transfer& transfer, curl_off_t bytes) {
  const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - transfer.begun;
  const auto& limits = transfer.limits;
  return passed.count() > limits.patience_seconds &&
         static_cast<double>(bytes) < (passed.count() - limits.patience_seconds) * limits.slowest_bytes_per_second;
}

int report_progress(void* context, curl_off_t total, curl_off_t done, curl_off_t, curl_off_t) {
  auto* const transfer = static_cast<Transfer*>(context);
  const curl_off_t before = transfer->restarted ? 0 : transfer->before;
  if (is_too_slow(*transfer, done)) {
    transfer->gave_up =
        str("sends less than ", static_cast<int64_t>(transfer->limits.slowest_bytes_per_second), " bytes a second");
    return 1;
  }
  try {
    if (transfer->progress) transfer->progress(transfer->what, before + done, total > 0 ? before + total : 0);
  } catch (...) {
    transfer->error = std::current_exception();
    return 1;
  }
  return 0;
}

size_t write_bytes(char* bytes, size_t item, size_t count, void* context) {
  auto* const transfer = static_cast<Transfer*>(context);
  long code = 0;
  curl_easy_getinfo(transfer->curl, CURLINFO_RESPONSE_CODE, &code);
  constexpr long kWhole = 200;  // not 206, the part asked for
  if (transfer->before > 0 && code == kWhole && !transfer->restarted) {
    transfer->restarted = true;
    if (!transfer->part.empty_it()) return 0;
  }
  const size_t size = item * count;
  if (transfer->part.size() + static_cast<int64_t>(size) > transfer->limits.most_bytes) {
    transfer->gave_up =
        str("sends more than ", transfer->limits.most_bytes, " bytes; no file of a data set is as large");
    transfer->part.empty_it();  // nothing to go on from
    return 0;
  }
  if (!transfer->part.append(bytes, size)) {
    transfer->gave_up = str("cannot write ", transfer->part.path(), ": ", because(errno));
    return 0;
  }
  return size;
}

void set_options(CURL* curl, const std::string& url, Transfer& transfer) {
  curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, write_bytes);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &transfer);
  curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
  curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
  curl_easy_setopt(curl, CURLOPT_MAXREDIRS, 10L);
  curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");  // a server must not choose a file of this machine
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, 20L);
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 100L);  // bytes a second, over LOW_SPEED_TIME: it hangs
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, 30L);
  curl_easy_setopt(curl, CURLOPT_USERAGENT, "kaem");
  curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, report_progress);
  curl_easy_setopt(curl, CURLOPT_XFERINFODATA, &transfer);
  // Not RESUME_FROM, which fails where the server sends the whole file.
  if (transfer.before > 0) curl_easy_setopt(curl, CURLOPT_RANGE, str(transfer.before, "-").c_str());
}

/// Appends to `part` what `url` still has; why it could not be had, or an empty string. `refused` says that the server
/// has nothing after the bytes already there.
std::string fetch(const std::string& url, const PartFile& part, const std::string& what, const DataProgress& progress,
                  const DownloadLimits& limits, bool& refused) {
  const std::unique_ptr<CURL, decltype(&curl_easy_cleanup)> curl(curl_easy_init(), curl_easy_cleanup);
  if (!curl) return "libcurl cannot start";
  Transfer transfer{
      .progress = progress, .limits = limits, .what = what, .part = part, .before = part.size(), .curl = curl.get()};
  set_options(curl.get(), url, transfer);
  const CURLcode status = curl_easy_perform(curl.get());
  if (transfer.error) std::rethrow_exception(transfer.error);
  long code = 0;
  curl_easy_getinfo(curl.get(), CURLINFO_RESPONSE_CODE, &code);
  constexpr long kNoSuchRange = 416;
  refused = transfer.before > 0 &&
            (code == kNoSuchRange || status == CURLE_RANGE_ERROR || status == CURLE_BAD_DOWNLOAD_RESUME);
  if (status == CURLE_OK) return "";
  const std::string why = !transfer.gave_up.empty()             ? transfer.gave_up
                          : status == CURLE_HTTP_RETURNED_ERROR ? str("HTTP ", code)
                                                                : curl_easy_strerror(status);
  return str(server_of(url), ": ", why);
}

/// Why the file is not the published one, or an empty string.
std::string contradiction(const std::string& part, const Checksum& checksum) {
  if (checksum.sha256.empty() && checksum.md5.empty()) return "";
  const std::string file = io::read_file(part);
  const bool strong = !checksum.sha256.empty();
  const std::string found = strong ? io::sha256(file) : io::md5(file),
                    expected = strong ? checksum.sha256 : checksum.md5;
  constexpr size_t kShown = 16;  // digits
  return found == expected ? ""
                           : str(strong ? "SHA-256 " : "MD5 ", found.substr(0, kShown), "..., expected ",
                                 expected.substr(0, kShown), "...");
}

}  // namespace

std::string download(const std::vector<std::string>& urls, const std::string& path, const Checksum& checksum,
                     const DataProgress& progress, const DownloadLimits& limits) {
  const auto target = std::filesystem::path(path);
  std::error_code error;
  std::filesystem::create_directories(target.parent_path(), error);
  if (error) return str("cannot make folder ", target.parent_path().string(), ": ", error.message());
  const PartFile part(path + ".part");
  if (!part.failure().empty()) return part.failure();
  const std::string what = target.filename().string();
  const bool known = !checksum.sha256.empty() || !checksum.md5.empty();
  // Another program may have had it between the question whether it is there and this lock.
  if (known && std::filesystem::exists(path, error) && contradiction(path, checksum).empty()) return "";
  std::string reasons, false_content;
  for (const auto& url : urls) {
    const bool continued = part.size() > 0;
    bool refused = false;
    std::string failure = fetch(url, part, what, progress, limits, refused);
    std::string wrong = failure.empty() || refused ? contradiction(part.path(), checksum) : "";
    if (refused && wrong.empty() && known) failure.clear();
    if ((refused && !failure.empty()) || (continued && !wrong.empty())) {
      // The part was of another file, or already too long: once more from the start.
      if (!part.empty_it()) return str("cannot write ", part.path());
      failure = fetch(url, part, what, progress, limits, refused);
      wrong = failure.empty() ? contradiction(part.path(), checksum) : "";
    }
    if (!failure.empty()) {
      reasons += (reasons.empty() ? "" : "; ") + failure;
      continue;
    }
    if (wrong.empty()) return part.rename_to(path);
    if (!part.empty_it()) return str("cannot write ", part.path());
    false_content +=
        str(false_content.empty() ? "" : "; ", "what ", server_of(url), " sent has ", wrong, "; it was removed");
  }
  if (!false_content.empty()) throw DataError(str(path, ": ", false_content, reasons.empty() ? "" : "; ", reasons));
  return reasons;
}

}  // namespace kaem

#else

namespace kaem {

std::string download(const std::vector<std::string>&, const std::string&, const Checksum&, const DataProgress&,
                     const DownloadLimits&) {
  return "this program was built without downloads";
}

}  // namespace kaem

#endif
