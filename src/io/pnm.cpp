#include "io/pnm.h"

#include <algorithm>

#include "io/image_limits.h"
#include "kaem/core/error.h"
#include "kaem/core/str.h"

namespace kaem::io {
namespace {

constexpr int kMostDigits = 9, kMostValue = 65535;

struct Header {
  ImageSize size;
  int64_t greatest = 0;  ///< the value that is white
  size_t data = 0;       ///< of the first pixel's byte
};

bool is_blank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// The next number, after blanks and comments.
int64_t take_number(std::string_view file, size_t& at, const std::string& name) {
  while (at < file.size() && (is_blank(file[at]) || file[at] == '#'))
    at = file[at] == '#' ? std::min(file.find('\n', at), file.size()) : at + 1;
  int64_t value = 0;
  const size_t begin = at;
  for (; at < file.size() && is_digit(file[at]) && at - begin < kMostDigits; ++at)
    value = 10 * value + (file[at] - '0');
  if (at == begin || at == file.size() || is_digit(file[at]))
    throw DataError(str(name, ": damaged PNM picture: no number of its header at byte ", begin));
  return value;
}

Header read_header(std::string_view file, const std::string& name) {
  Header header;
  size_t at = 2;
  header.size.width = take_number(file, at, name);
  header.size.height = take_number(file, at, name);
  header.size.channels = file[1] == '5' ? 1 : 3;
  header.greatest = take_number(file, at, name);
  check_image_size(header.size.height, header.size.width, name);
  if (header.greatest < 1 || header.greatest > kMostValue || !is_blank(file[at]))
    throw DataError(
        str(name, ": damaged PNM picture: greatest value ", header.greatest, ", expected 1 to ", kMostValue));
  header.data = at + 1;
  return header;
}

}  // namespace

bool is_pnm(std::string_view file) { return file.starts_with("P5") || file.starts_with("P6"); }

ImageSize pnm_size(std::string_view file, const std::string& name) { return read_header(file, name).size; }

Pixels decode_pnm(std::string_view file, int64_t channels, const std::string& name) {
  const Header header = read_header(file, name);
  const int64_t found = header.size.channels, pixels = header.size.height * header.size.width;
  const auto item = static_cast<size_t>(header.greatest > 255 ? 2 : 1),
             wanted = static_cast<size_t>(pixels * found) * item;
  if (file.size() - header.data < wanted)
    throw DataError(
        str(name, ": truncated picture: ", file.size() - header.data, " bytes of pixels, expected ", wanted));
  const auto value = [&](int64_t pixel, int64_t channel) {
    const size_t at = header.data + static_cast<size_t>(pixel * found + channel) * item;
    int64_t number = static_cast<unsigned char>(file[at]);
    if (item == 2) number = number << 8 | static_cast<unsigned char>(file[at + 1]);
    return std::min<int64_t>((number * 255 + header.greatest / 2) / header.greatest, 255);
  };
  if (channels == 0) channels = found;
  Pixels out{header.size.height, header.size.width, channels, {}};
  out.bytes.reserve(static_cast<size_t>(pixels * channels));
  for (int64_t p = 0; p < pixels; ++p) {
    if (channels == 1 && found == 3) {
      out.bytes.push_back(static_cast<uint8_t>((77 * value(p, 0) + 150 * value(p, 1) + 29 * value(p, 2)) >> 8));
    } else {
      for (int64_t c = 0; c < channels; ++c) out.bytes.push_back(static_cast<uint8_t>(value(p, found == 1 ? 0 : c)));
    }
  }
  return out;
}

}  // namespace kaem::io
