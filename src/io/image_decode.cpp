#include <csetjmp>
#include <cstdio>  // jpeglib.h needs FILE

#include <jpeglib.h>

#include <algorithm>
#include <array>
#include <limits>
#include <memory>

#include "kaem/core/error.h"
#include "kaem/core/str.h"
#include "kaem/core/table.h"
#include "kaem/io/decode.h"

#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_STATIC  // no symbols of stb in the library's interface
#define STBI_NO_STDIO
#define STBI_NO_JPEG  // libjpeg-turbo is faster and gives other libraries' bytes
#define STBI_NO_HDR
#define STBI_NO_LINEAR
#define STBI_NO_PSD
#define STBI_NO_PIC
#define STBI_FAILURE_USERMSG
#include <stb/stb_image.h>

namespace kaem::io {
namespace {

constexpr int64_t kMaxPixels = int64_t{1} << 27;

void check_size(int64_t height, int64_t width, const std::string& name) {
  if (height < 1 || width < 1 || height > kMaxPixels / width)
    throw DataError(str(name, ": a picture of ", width, "x", height, " pixels, at most ", kMaxPixels, " are read"));
}

/// libjpeg's errors come back by longjmp: no exception may fly through C code.
struct JpegErrors {
  jpeg_error_mgr manager;  // first, as libjpeg hands out its address
  std::jmp_buf back;
  std::array<char, JMSG_LENGTH_MAX> message;
};

[[noreturn]] void leave(j_common_ptr info) {
  auto* const errors = reinterpret_cast<JpegErrors*>(info->err);
  info->err->format_message(info, errors->message.data());
  std::longjmp(errors->back, 1);
}

/// Warnings are for damaged data that libjpeg fills with grey: such a picture is refused.
void leave_on_warning(j_common_ptr info, int level) {
  if (level < 0) leave(info);
}

struct Decompressor {
  jpeg_decompress_struct info{};
  JpegErrors errors{};
  Decompressor() {
    info.err = jpeg_std_error(&errors.manager);
    errors.manager.error_exit = leave;
    errors.manager.emit_message = leave_on_warning;
  }
  ~Decompressor() { jpeg_destroy_decompress(&info); }
  Decompressor(const Decompressor&) = delete;
  Decompressor& operator=(const Decompressor&) = delete;
};

/// Reads the header; false on an error. No object with a destructor may live in these two functions.
bool start_jpeg(Decompressor& d, std::string_view file, int64_t channels) {
  if (setjmp(d.errors.back) != 0) return false;
  jpeg_create_decompress(&d.info);
  jpeg_mem_src(&d.info, reinterpret_cast<const unsigned char*>(file.data()), static_cast<unsigned long>(file.size()));
  jpeg_read_header(&d.info, TRUE);
  const bool grey = channels == 1 || (channels == 0 && d.info.num_components == 1);
  d.info.out_color_space = grey ? JCS_GRAYSCALE : JCS_RGB;
  jpeg_calc_output_dimensions(&d.info);
  return true;
}

bool read_jpeg_lines(Decompressor& d, uint8_t* out, size_t line) {
  if (setjmp(d.errors.back) != 0) return false;
  jpeg_start_decompress(&d.info);
  while (d.info.output_scanline < d.info.output_height) {
    JSAMPROW row = out + d.info.output_scanline * line;
    jpeg_read_scanlines(&d.info, &row, 1);
  }
  jpeg_finish_decompress(&d.info);
  return true;
}

Pixels decode_jpeg(std::string_view file, int64_t channels, const std::string& name) {
  Decompressor d;
  const auto fail = [&] { throw DataError(str(name, ": damaged JPEG: ", d.errors.message.data())); };
  if (!start_jpeg(d, file, channels)) fail();
  Pixels pixels{static_cast<int64_t>(d.info.output_height),
                static_cast<int64_t>(d.info.output_width),
                d.info.out_color_space == JCS_GRAYSCALE ? 1 : 3,
                {}};
  check_size(pixels.height, pixels.width, name);
  const auto line = static_cast<size_t>(pixels.width * pixels.channels);
  pixels.bytes.resize(static_cast<size_t>(pixels.height) * line);
  if (!read_jpeg_lines(d, pixels.bytes.data(), line)) fail();
  return pixels;
}

Pixels decode_other(std::string_view file, int64_t channels, const std::string& name) {
  const auto* const bytes = reinterpret_cast<const stbi_uc*>(file.data());
  if (file.size() > static_cast<size_t>(std::numeric_limits<int>::max())) throw DataError(name + ": too large a file");
  const int size = static_cast<int>(file.size());
  int width = 0, height = 0, found = 0;
  const auto fail = [&] { throw DataError(str(name, ": not a picture that is read here: ", stbi_failure_reason())); };
  if (stbi_info_from_memory(bytes, size, &width, &height, &found) == 0) fail();
  check_size(height, width, name);
  if (channels == 0) channels = found <= 2 ? 1 : 3;
  const std::unique_ptr<stbi_uc, decltype(&stbi_image_free)> data(
      stbi_load_from_memory(bytes, size, &width, &height, &found, static_cast<int>(channels)), stbi_image_free);
  if (!data) fail();
  return {height, width, channels, {data.get(), data.get() + int64_t{height} * width * channels}};
}

}  // namespace

Pixels decode_image(std::string_view file, int64_t channels, const std::string& name) {
  if (file.starts_with("\xff\xd8")) return decode_jpeg(file, channels, name);
  return decode_other(file, channels, name);
}

bool is_image_name(std::string_view name) {
  constexpr auto kExtensions =
      std::to_array<std::string_view>({".jpg", ".jpeg", ".png", ".bmp", ".gif", ".tga", ".ppm", ".pgm"});
  return std::any_of(kExtensions.begin(), kExtensions.end(), [&](std::string_view extension) {
    return name.size() > extension.size() && same_name(name.substr(name.size() - extension.size()), extension);
  });
}

}  // namespace kaem::io
