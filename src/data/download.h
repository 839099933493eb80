#pragma once

#include <string>
#include <vector>

#include "kaem/data/dataset.h"

namespace kaem {

/// Downloads the first of `urls` that answers to `path` (as a .part file beside it until it is whole). Returns an empty
/// string, or why none could be had, in one line. DataError if the file has not the SHA-256 given; it is removed then.
std::string download(const std::vector<std::string>& urls, const std::string& path, const std::string& sha256,
                     const DataProgress& progress);

}  // namespace kaem
