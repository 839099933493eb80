#include "data/download.h"

#include "kaem/core/error.h"
#include "kaem/core/str.h"

#ifdef KAEM_WITH_DOWNLOAD

#include <curl/curl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <memory>
#include <system_error>

#include "kaem/io/file.h"

namespace kaem {
namespace {

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};

/// One transfer; what libcurl's callbacks are given.
struct Transfer {
  const DataProgress& progress;
  std::string what;
  std::FILE* file = nullptr;
  curl_off_t before = 0;  ///< bytes of an earlier transfer that this one goes on from
  CURL* curl = nullptr;
  bool restarted = false;    ///< the server sends the whole file all the same
  std::exception_ptr error;  ///< of the progress callback: it must not fly through C code
};

int report_progress(void* context, curl_off_t total, curl_off_t done, curl_off_t, curl_off_t) {
  auto* const transfer = static_cast<Transfer*>(context);
  const curl_off_t before = transfer->restarted ? 0 : transfer->before;
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
    if (::ftruncate(::fileno(transfer->file), 0) != 0) return 0;
    std::rewind(transfer->file);
  }
  return std::fwrite(bytes, item, count, transfer->file);
}

void set_options(CURL* curl, const std::string& url, Transfer& transfer, char* detail) {
  curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, write_bytes);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &transfer);
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, detail);
  curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
  curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
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
std::string fetch(const std::string& url, const std::string& part, const std::string& what,
                  const DataProgress& progress, bool& refused) {
  const std::unique_ptr<std::FILE, CloseFile> file(std::fopen(part.c_str(), "ab"));
  if (!file) return str("cannot write ", part, ": ", std::generic_category().message(errno));
  if (::flock(::fileno(file.get()), LOCK_EX | LOCK_NB) != 0) return str("another program is downloading ", part);
  const std::unique_ptr<CURL, decltype(&curl_easy_cleanup)> curl(curl_easy_init(), curl_easy_cleanup);
  if (!curl) return "libcurl cannot start";
  char detail[CURL_ERROR_SIZE] = "";
  std::fseek(file.get(), 0, SEEK_END);
  Transfer transfer{progress, what, file.get(), static_cast<curl_off_t>(std::ftell(file.get())), curl.get(), false, {}};
  set_options(curl.get(), url, transfer, detail);
  const CURLcode status = curl_easy_perform(curl.get());
  // On the disk before the file gets its name.
  if (std::fflush(file.get()) != 0 || ::fsync(::fileno(file.get())) != 0)
    return str("cannot write ", part, ": ", std::generic_category().message(errno));
  if (transfer.error) std::rethrow_exception(transfer.error);
  long code = 0;
  curl_easy_getinfo(curl.get(), CURLINFO_RESPONSE_CODE, &code);
  constexpr long kNoSuchRange = 416;
  refused = transfer.before > 0 &&
            (code == kNoSuchRange || status == CURLE_RANGE_ERROR || status == CURLE_BAD_DOWNLOAD_RESUME);
  if (status != CURLE_OK) return str(url, ": ", detail[0] != '\0' ? detail : curl_easy_strerror(status));
  return "";
}

/// Why the file is not the published one, or an empty string.
std::string contradiction(const std::string& part, const Checksum& checksum) {
  if (checksum.sha256.empty() && checksum.md5.empty()) return "";
  const std::string file = io::read_file(part);
  const bool strong = !checksum.sha256.empty();
  const std::string found = strong ? io::sha256(file) : io::md5(file),
                    expected = strong ? checksum.sha256 : checksum.md5;
  return found == expected ? "" : str(strong ? "SHA-256 " : "MD5 ", found, ", expected ", expected);
}

}  // namespace

std::string download(const std::vector<std::string>& urls, const std::string& path, const Checksum& checksum,
                     const DataProgress& progress) {
  const auto target = std::filesystem::path(path);
  std::error_code error;
  std::filesystem::create_directories(target.parent_path(), error);
  if (error) return str("cannot make folder ", target.parent_path().string(), ": ", error.message());
  const std::string part = path + ".part", what = target.filename().string();
  std::string reasons, false_content;
  for (const auto& url : urls) {
    const bool continued = std::filesystem::exists(part, error) && std::filesystem::file_size(part, error) > 0;
    bool refused = false;
    std::string failure = fetch(url, part, what, progress, refused);
    std::string wrong = failure.empty() || refused ? contradiction(part, checksum) : "";
    if (refused && (wrong.empty() && !(checksum.sha256.empty() && checksum.md5.empty()))) failure.clear();
    if ((refused && !failure.empty()) || (continued && !wrong.empty())) {
      // The part was of another file, or already too long: once more from the start.
      std::filesystem::remove(part, error);
      failure = fetch(url, part, what, progress, refused);
      wrong = failure.empty() ? contradiction(part, checksum) : "";
    }
    if (!failure.empty()) {
      reasons += (reasons.empty() ? "" : "; ") + failure;
      continue;
    }
    if (!wrong.empty()) {
      std::filesystem::remove(part, error);
      false_content += str(false_content.empty() ? "" : "; ", "what ", url, " sent has ", wrong, "; it was removed");
      continue;
    }
    std::filesystem::rename(part, path, error);
    return error ? str("cannot write ", path, ": ", error.message()) : "";
  }
  if (!false_content.empty()) throw DataError(str(path, ": ", false_content, reasons.empty() ? "" : "; ", reasons));
  if (std::filesystem::exists(part, error) && std::filesystem::file_size(part, error) == 0)
    std::filesystem::remove(part, error);
  return reasons;
}

}  // namespace kaem

#else

namespace kaem {

std::string download(const std::vector<std::string>&, const std::string&, const Checksum&, const DataProgress&) {
  return "this program was built without downloads";
}

}  // namespace kaem

#endif
