#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>

#include "io/image_limits.h"
#include "io/jpeg.h"
#include "io/pnm.h"
#include "kaem/core/error.h"
#include "kaem/core/str.h"
#include "kaem/core/table.h"
#include "kaem/io/decode.h"

#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_STATIC  // no symbols of stb in the library's interface
#define STBI_NO_STDIO
#define STBI_NO_JPEG  // libjpeg-turbo is faster and gives other libraries' bytes
#define STBI_NO_PNM   // it reads beyond 16-bit ones
#define STBI_NO_HDR
#define STBI_NO_LINEAR
#define STBI_NO_PSD
#define STBI_NO_PIC
#define STBI_FAILURE_USERMSG
#include <stb/stb_image.h>

namespace kaem::io {
namespace {

constexpr int64_t kMaxPixels = int64_t{1} << 27;

/// What files are that are not read, by their first bytes: many bear another kind's name.
std::string kind_of(std::string_view file) {
  struct Kind {
    size_t offset;
    std::string_view start, name;
  };
  constexpr auto kKinds =
      std::to_array<Kind>({{8, "WEBP", "WebP"},
                           {4, "ftypheic", "HEIC"},
                           {4, "ftypavif", "AVIF"},
                           {0, "II*", "TIFF"},
                           {0, "MM", "TIFF"},
                           {0, "P1", "PNM in ASCII"},
                           {0, "P2", "PNM in ASCII"},
                           {0, "P3", "PNM in ASCII"},
                           {0, "P4", "PBM"},
                           {0, "8BPS", "PSD"},
                           {0, "%PDF", "PDF"},
                           {0, "<", "text (HTML, XML or SVG)"},
                           {0, "version https://git-lfs", "a pointer of Git LFS, not the picture"}});
  if (file.empty()) return "the file is empty";
  for (const auto& kind : kKinds)
    if (file.size() > kind.offset && file.substr(kind.offset).starts_with(kind.start)) return str("it is ", kind.name);
  return "";
}

/// What stb reads a file by. It takes what is missing at the end for zeros, so that such reads are noted down.
struct Reader {
  std::string_view file;
  size_t at = 0;
  bool beyond = false;

  static int read(void* user, char* data, int size) {
    auto& self = *static_cast<Reader*>(user);
    const size_t count = std::min(self.file.size() - self.at, static_cast<size_t>(size));
    std::copy_n(self.file.data() + self.at, count, data);
    self.at += count;
    self.beyond = self.beyond || (count == 0 && size > 0);
    return static_cast<int>(count);
  }
  static void skip(void* user, int count) {
    auto& self = *static_cast<Reader*>(user);
    const auto at = static_cast<int64_t>(self.at) + count;
    self.at = static_cast<size_t>(std::clamp<int64_t>(at, 0, std::ssize(self.file)));
  }
  static int end(void* user) {
    const auto& self = *static_cast<const Reader*>(user);
    return self.at == self.file.size() ? 1 : 0;
  }
};
constexpr stbi_io_callbacks kCallbacks = {Reader::read, Reader::skip, Reader::end};

constexpr std::string_view kPngStart = "\x89PNG\r\n\x1a\n";

[[noreturn]] void fail_other(std::string_view file, const std::string& name) {
  const std::string kind = kind_of(file);
  if (file.starts_with(kPngStart)) throw DataError(str(name, ": damaged or truncated PNG: ", stbi_failure_reason()));
  throw DataError(str(name, ": not a picture that is read here: ", kind.empty() ? stbi_failure_reason() : kind));
}

ImageSize other_size(std::string_view file, const std::string& name) {
  int width = 0, height = 0, found = 0;
  Reader reader{file};
  if (stbi_info_from_callbacks(&kCallbacks, &reader, &width, &height, &found) == 0) fail_other(file, name);
  check_image_size(height, width, name);
  return {height, width, found <= 2 ? 1 : 3};
}

Pixels decode_other(std::string_view file, int64_t channels, const std::string& name) {
  const ImageSize size = other_size(file, name);
  if (channels == 0) channels = size.channels;
  int width = 0, height = 0, found = 0;
  Reader reader{file};
  const std::unique_ptr<stbi_uc, decltype(&stbi_image_free)> data(
      stbi_load_from_callbacks(&kCallbacks, &reader, &width, &height, &found, static_cast<int>(channels)),
      stbi_image_free);
  if (!data) fail_other(file, name);
  if (reader.beyond) throw DataError(str(name, ": truncated picture: ", file.size(), " bytes are not all of it"));
  return {height, width, channels, {data.get(), data.get() + int64_t{height} * width * channels}};
}

uint32_t big_endian(std::string_view bytes) {
  uint32_t number = 0;
  for (size_t i = 0; i < 4; ++i) number = number << 8 | static_cast<unsigned char>(bytes[i]);
  return number;
}

/// Compares the checksums of the chunks that pixels depend on, which stb does not: bytes that have changed would be
/// other pixels.
void check_png(std::string_view file, const std::string& name) {
#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION  // a fuzzer would hardly find a checksum
  if (!file.empty()) return;
#endif
  constexpr size_t kAround = 12;  // length, type, checksum
  for (size_t at = kPngStart.size(); file.size() - at >= kAround;) {
    const size_t length = big_endian(file.substr(at));
    if (length > file.size() - at - kAround) return;  // truncated: decoding says so
    const std::string_view body = file.substr(at + 4, length + 4), type = body.substr(0, 4);
    const auto sum = crc32(0, reinterpret_cast<const Bytef*>(body.data()), static_cast<uInt>(body.size()));
    const bool critical = type[0] >= 'A' && type[0] <= 'Z';
    if (critical && sum != big_endian(file.substr(at + 8 + length)))
      throw DataError(str(name, ": damaged PNG: a checksum is not that of its bytes"));
    if (type == "IEND") return;
    at += kAround + length;
  }
}

bool is_jpeg(std::string_view file) { return file.starts_with("\xff\xd8"); }

}  // namespace

void check_image_size(int64_t height, int64_t width, const std::string& name) {
  if (height < 1 || width < 1 || height > kMaxPixels / width)
    throw DataError(str(name, ": a picture of ", width, "x", height, " pixels, at most ", kMaxPixels, " are read"));
}

Pixels decode_image(std::string_view file, int64_t channels, const std::string& name) {
  if (is_jpeg(file)) return decode_jpeg(file, channels, name);
  if (file.starts_with(kPngStart)) check_png(file, name);
  return is_pnm(file) ? decode_pnm(file, channels, name) : decode_other(file, channels, name);
}

ImageSize image_size(std::string_view file, const std::string& name) {
  if (is_jpeg(file)) return jpeg_size(file, name);
  return is_pnm(file) ? pnm_size(file, name) : other_size(file, name);
}

bool is_image_name(std::string_view name) {
  constexpr auto kExtensions =
      std::to_array<std::string_view>({".jpg", ".jpeg", ".png", ".bmp", ".gif", ".tga", ".ppm", ".pgm"});
  return std::any_of(kExtensions.begin(), kExtensions.end(), [&](std::string_view extension) {
    return name.size() > extension.size() && same_name(name.substr(name.size() - extension.size()), extension);
  });
}

}  // namespace kaem::io
