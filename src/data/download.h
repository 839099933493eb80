#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "kaem/data/dataset.h"

namespace kaem {

/// As published; the stronger one counts. Both empty: whatever comes is taken.
struct Checksum {
  std::string sha256, md5;
};

/// When a download is given up.
struct DownloadLimits {
  int64_t most_bytes = int64_t{1} << 31;   ///< of the file: no file of a data set is as large
  double patience_seconds = 120;           ///< before the mean speed counts
  double slowest_bytes_per_second = 2000;  ///< mean from then on
};

/// Downloads the first of `urls` that answers to `path`. Until it is whole it is the file `path`.part, which stays
/// where a transfer is cut short: the next URL or the next call goes on from there, or from the start where a server
/// sends whole files only. The part is locked until it has its name. Returns an empty string, or why none could be
/// had, in one line. DataError if the file has not the checksum; it is removed then.
std::string download(const std::vector<std::string>& urls, const std::string& path, const Checksum& checksum,
                     const DataProgress& progress, const DownloadLimits& limits = {});

/// The URL as it may be shown: without user, password and what follows a question mark.
std::string without_password(const std::string& url);

}  // namespace kaem
