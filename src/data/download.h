#pragma once

#include <string>
#include <vector>

#include "kaem/data/dataset.h"

namespace kaem {

/// As published; the stronger one counts. Both empty: whatever comes is taken.
struct Checksum {
  std::string sha256, md5;
};

/// Downloads the first of `urls` that answers to `path`. Until it is whole it is the file `path`.part, which stays
/// where a transfer is cut short: the next URL or the next call goes on from there, or from the start where a server
/// sends whole files only. Returns an empty string, or why none could be had, in one line. DataError if the file has
/// not the checksum; it is removed then.
std::string download(const std::vector<std::string>& urls, const std::string& path, const Checksum& checksum,
                     const DataProgress& progress);

}  // namespace kaem
