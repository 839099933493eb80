#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

/// tar archives in memory, without torch.
namespace kaem {

struct TarEntry {
  std::string name;
  std::string_view content;  ///< part of the image
};

/// The regular files of `image`, an unpacked tar archive. DataError names `name` if it is damaged or truncated.
std::vector<TarEntry> parse_tar(std::string_view image, const std::string& name);

}  // namespace kaem
