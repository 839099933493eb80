#include "data/download.h"

#include "kaem/core/error.h"
#include "kaem/core/str.h"

#ifdef KAEM_WITH_DOWNLOAD

#include <curl/curl.h>
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

/// Removes the partial file on every way out but the good one (where it has been renamed away).
struct PartialFile {
  std::string path;
  ~PartialFile() { std::remove(path.c_str()); }
};

struct Report {
  const DataProgress& progress;
  std::string what;
  std::exception_ptr error;  // of the callback: it must not fly through C code
};

int report_progress(void* context, curl_off_t total, curl_off_t done, curl_off_t, curl_off_t) {
  auto* const report = static_cast<Report*>(context);
  try {
    if (report->progress) report->progress(report->what, done, total);
  } catch (...) {
    report->error = std::current_exception();
    return 1;
  }
  return 0;
}

std::string fetch(const std::string& url, const std::string& part, Report& report) {
  const std::unique_ptr<std::FILE, CloseFile> file(std::fopen(part.c_str(), "wb"));
  if (!file) return str("cannot write ", part, ": ", std::generic_category().message(errno));
  const std::unique_ptr<CURL, decltype(&curl_easy_cleanup)> curl(curl_easy_init(), curl_easy_cleanup);
  if (!curl) return "libcurl cannot start";
  char detail[CURL_ERROR_SIZE] = "";
  curl_easy_setopt(curl.get(), CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl.get(), CURLOPT_WRITEDATA, file.get());
  curl_easy_setopt(curl.get(), CURLOPT_ERRORBUFFER, detail);
  curl_easy_setopt(curl.get(), CURLOPT_FAILONERROR, 1L);
  curl_easy_setopt(curl.get(), CURLOPT_FOLLOWLOCATION, 1L);
  curl_easy_setopt(curl.get(), CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl.get(), CURLOPT_CONNECTTIMEOUT, 20L);
  curl_easy_setopt(curl.get(), CURLOPT_LOW_SPEED_LIMIT, 100L);  // bytes a second, over LOW_SPEED_TIME: it hangs
  curl_easy_setopt(curl.get(), CURLOPT_LOW_SPEED_TIME, 30L);
  curl_easy_setopt(curl.get(), CURLOPT_USERAGENT, "kaem");
  curl_easy_setopt(curl.get(), CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(curl.get(), CURLOPT_XFERINFOFUNCTION, report_progress);
  curl_easy_setopt(curl.get(), CURLOPT_XFERINFODATA, &report);
  const CURLcode status = curl_easy_perform(curl.get());
  if (report.error) std::rethrow_exception(report.error);
  if (status != CURLE_OK) return str(url, ": ", detail[0] != '\0' ? detail : curl_easy_strerror(status));
  if (std::fflush(file.get()) != 0) return str("cannot write ", part, ": ", std::generic_category().message(errno));
  return "";
}

}  // namespace

std::string download(const std::vector<std::string>& urls, const std::string& path, const std::string& sha256,
                     const DataProgress& progress) {
  const auto target = std::filesystem::path(path);
  std::error_code error;
  std::filesystem::create_directories(target.parent_path(), error);
  if (error) return str("cannot make folder ", target.parent_path().string(), ": ", error.message());
  // The process id keeps two runs that start together apart.
  const PartialFile part{str(path, ".", ::getpid(), ".part")};
  std::string reasons;
  for (const auto& url : urls) {
    Report report{progress, target.filename().string(), nullptr};
    const std::string failure = fetch(url, part.path, report);
    if (!failure.empty()) {
      reasons += (reasons.empty() ? "" : "; ") + failure;
      continue;
    }
    const std::string found = io::sha256(io::read_file(part.path));
    if (found != sha256)
      throw DataError(
          str(path, ": what ", url, " sent has SHA-256 ", found, ", expected ", sha256, "; it was removed"));
    std::filesystem::rename(part.path, path, error);
    return error ? str("cannot write ", path, ": ", error.message()) : "";
  }
  return reasons;
}

}  // namespace kaem

#else

namespace kaem {

std::string download(const std::vector<std::string>&, const std::string&, const std::string&, const DataProgress&) {
  return "this program was built without downloads";
}

}  // namespace kaem

#endif
