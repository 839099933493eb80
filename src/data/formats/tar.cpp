#include "data/formats/tar.h"

#include <algorithm>

#include "kaem/core/error.h"
#include "kaem/core/str.h"

namespace kaem {
namespace {

constexpr size_t kBlock = 512;

/// The text of a field that ends with its first zero byte or its last byte.
std::string_view field(std::string_view header, size_t begin, size_t size) {
  const std::string_view all = header.substr(begin, size);
  return all.substr(0, std::min(all.find('\0'), all.size()));
}

/// An octal number with blanks around it; no value if it is none.
bool read_octal(std::string_view text, uint64_t& value) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  value = 0;
  for (const char c : text) {
    if (c < '0' || c > '7' || value >> 58 != 0) return false;
    value = value << 3 | static_cast<uint64_t>(c - '0');
  }
  return !text.empty();
}

bool is_checksum_right(std::string_view header) {
  uint64_t stated = 0, sum = 0;
  if (!read_octal(field(header, 148, 8), stated)) return false;
  for (size_t i = 0; i < kBlock; ++i)
    sum += i >= 148 && i < 156 ? ' ' : static_cast<unsigned char>(header[i]);  // itself counts as blanks
  return sum == stated;
}

}  // namespace

std::vector<TarEntry> parse_tar(std::string_view image, const std::string& name) {
  std::vector<TarEntry> entries;
  size_t at = 0;
  while (at < image.size()) {
    if (image.size() - at < kBlock)
      throw DataError(
          str(name, ": truncated tar archive: ", image.size() - at, " bytes at its end, a block has ", kBlock));
    const std::string_view header = image.substr(at, kBlock);
    if (header.find_first_not_of('\0') == std::string_view::npos) return entries;
    if (!is_checksum_right(header)) throw DataError(str(name, ": not a tar archive: no header at byte ", at));
    uint64_t size = 0;
    if (!read_octal(field(header, 124, 12), size))
      throw DataError(str(name, ": the entry at byte ", at, " of the tar archive has no size"));
    at += kBlock;
    if (size > image.size() - at)
      throw DataError(
          str(name, ": truncated tar archive: an entry of ", size, " bytes, ", image.size() - at, " are left"));
    const char type = header[156];
    if (type == '0' || type == '\0') {
      const std::string prefix(header.substr(257, 5) == "ustar" ? field(header, 345, 155) : "");
      entries.push_back(
          {prefix + (prefix.empty() ? "" : "/") + std::string(field(header, 0, 100)), image.substr(at, size)});
    }
    at += std::min<size_t>(image.size() - at, (size + kBlock - 1) / kBlock * kBlock);
  }
  return entries;
}

}  // namespace kaem
