#include "io/jpeg.h"

#include <csetjmp>
#include <cstdio>  // jpeglib.h needs FILE

#include <jpeglib.h>

#include <jerror.h>

#include <array>
#include <utility>

#include "io/image_limits.h"
#include "kaem/core/error.h"
#include "kaem/core/str.h"

namespace kaem::io {
namespace {

/// libjpeg's errors come back by longjmp: no exception may fly through C code.
struct JpegErrors {
  jpeg_error_mgr manager;  // first, as libjpeg hands out its address
  std::jmp_buf back;
  std::array<char, JMSG_LENGTH_MAX> message;
  bool single_scan;  // known once the header is read
};

[[noreturn]] void leave(j_common_ptr info) {
  auto* const errors = reinterpret_cast<JpegErrors*>(info->err);
  info->err->format_message(info, errors->message.data());
  std::longjmp(errors->back, 1);
}

/// True for a warning after which all pixels are there. Others are of data that libjpeg fills with grey.
bool is_harmless(j_common_ptr info) {
  switch (info->err->msg_code) {
    case JWRN_EXTRANEOUS_DATA:  // bytes between the segments are passed over
    case JWRN_ADOBE_XFORM:
    case JWRN_JFIF_MAJOR:
    case JWRN_NOT_SEQUENTIAL:
    case JWRN_BOGUS_PROGRESSION:
      return true;
    case JWRN_JPEG_EOF:
      // The mark of the end is missing. Missing pixels have a warning of their own, but not missing scans.
      return reinterpret_cast<JpegErrors*>(info->err)->single_scan;
    default:
      return false;
  }
}

void leave_on_damage(j_common_ptr info, int level) {
  if (level < 0 && !is_harmless(info)) leave(info);
}

struct Decompressor {
  jpeg_decompress_struct info{};
  JpegErrors errors{};
  Decompressor() {
    info.err = jpeg_std_error(&errors.manager);
    errors.manager.error_exit = leave;
    errors.manager.emit_message = leave_on_damage;
  }
  ~Decompressor() { jpeg_destroy_decompress(&info); }
  Decompressor(const Decompressor&) = delete;
  Decompressor& operator=(const Decompressor&) = delete;
};

constexpr int kExifMarker = JPEG_APP0 + 1;

/// Reads the header; false on an error. No object with a destructor may live in these two functions.
bool start_jpeg(Decompressor& d, std::string_view file, int64_t channels) {
  if (setjmp(d.errors.back) != 0) return false;
  jpeg_create_decompress(&d.info);
  jpeg_save_markers(&d.info, kExifMarker, 0xFFFF);
  jpeg_mem_src(&d.info, reinterpret_cast<const unsigned char*>(file.data()), static_cast<unsigned long>(file.size()));
  jpeg_read_header(&d.info, TRUE);
  d.errors.single_scan = jpeg_has_multiple_scans(&d.info) == 0;
  const bool grey = channels == 1 || (channels == 0 && d.info.num_components == 1);
  const bool inks = d.info.num_components == 4;  // libjpeg turns YCCK into CMYK, but no further
  d.info.out_color_space = inks ? JCS_CMYK : grey ? JCS_GRAYSCALE : JCS_RGB;
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

/// Ink that is printed on white. Adobe's programs store how much light it lets through instead of how much there is.
std::vector<uint8_t> from_inks(const std::vector<uint8_t>& inks, bool inverted, int64_t channels) {
  std::vector<uint8_t> out;
  out.reserve(inks.size() / 4 * static_cast<size_t>(channels));
  for (size_t i = 0; i + 3 < inks.size(); i += 4) {
    std::array<int, 3> light{};
    const int flip = inverted ? 0 : 255, key = flip ^ inks[i + 3];
    for (size_t c = 0; c < 3; ++c) light[c] = ((flip ^ inks[i + c]) * key + 127) / 255;
    if (channels == 1) {
      out.push_back(static_cast<uint8_t>((299 * light[0] + 587 * light[1] + 114 * light[2] + 500) / 1000));
    } else {
      for (const int value : light) out.push_back(static_cast<uint8_t>(value));
    }
  }
  return out;
}

/// Unsigned number of `size` bytes at `at`, 0 beyond the end.
uint32_t number_at(std::string_view bytes, size_t at, size_t size, bool big_endian) {
  if (at > bytes.size() || size > bytes.size() - at) return 0;
  uint32_t value = 0;
  for (size_t i = 0; i < size; ++i)
    value = value << 8 | static_cast<unsigned char>(bytes[at + (big_endian ? i : size - 1 - i)]);
  return value;
}

/// 1 to 8 of an EXIF segment: what is done to the camera's picture to see it upright; 1 (nothing) if there is none.
uint32_t orientation_of(std::string_view segment) {
  constexpr std::string_view kStart("Exif\0\0", 6);
  constexpr uint32_t kOrientation = 0x0112, kShort = 3;
  if (!segment.starts_with(kStart)) return 1;
  const std::string_view tiff = segment.substr(kStart.size());
  if (!tiff.starts_with("II*") && !tiff.starts_with(std::string_view("MM\0*", 4))) return 1;
  const bool big_endian = tiff[0] == 'M';
  const size_t directory = number_at(tiff, 4, 4, big_endian);
  const uint32_t entries = number_at(tiff, directory, 2, big_endian);
  for (size_t i = 0; i < entries; ++i) {
    const size_t entry = directory + 2 + 12 * i;
    if (entry >= tiff.size()) break;
    if (number_at(tiff, entry, 2, big_endian) != kOrientation) continue;
    const uint32_t value = number_at(tiff, entry + 8, 2, big_endian);
    const bool good = number_at(tiff, entry + 2, 2, big_endian) == kShort && value >= 1 && value <= 8;
    return good ? value : 1;
  }
  return 1;
}

uint32_t orientation_of(const jpeg_decompress_struct& info) {
  for (auto* marker = info.marker_list; marker != nullptr; marker = marker->next)
    if (marker->marker == kExifMarker)
      if (const uint32_t value =
              orientation_of({reinterpret_cast<const char*>(marker->data), static_cast<size_t>(marker->data_length)});
          value != 1)
        return value;
  return 1;
}

bool is_transposed(uint32_t orientation) { return orientation >= 5; }

/// The picture upright: transposed, its rows from the bottom, its columns from the right, or some of these.
Pixels upright(Pixels stored, uint32_t orientation) {
  if (orientation == 1) return stored;
  const bool transposed = is_transposed(orientation);
  const bool from_bottom = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  const bool from_right = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  Pixels out{transposed ? stored.width : stored.height, transposed ? stored.height : stored.width, stored.channels, {}};
  out.bytes.reserve(stored.bytes.size());
  for (int64_t y = 0; y < out.height; ++y)
    for (int64_t x = 0; x < out.width; ++x) {
      int64_t row = transposed ? x : y, column = transposed ? y : x;
      if (from_bottom) row = stored.height - 1 - row;
      if (from_right) column = stored.width - 1 - column;
      const auto pixel = stored.bytes.begin() + (row * stored.width + column) * stored.channels;
      out.bytes.insert(out.bytes.end(), pixel, pixel + stored.channels);
    }
  return out;
}

void start_checked(Decompressor& d, std::string_view file, int64_t channels, const std::string& name) {
  if (!start_jpeg(d, file, channels)) throw DataError(str(name, ": damaged JPEG: ", d.errors.message.data()));
  check_image_size(d.info.output_height, d.info.output_width, name);
}

}  // namespace

ImageSize jpeg_size(std::string_view file, const std::string& name) {
  Decompressor d;
  start_checked(d, file, 0, name);
  ImageSize size{d.info.output_height, d.info.output_width, d.info.num_components == 1 ? 1 : 3};
  if (is_transposed(orientation_of(d.info))) std::swap(size.height, size.width);
  return size;
}

Pixels decode_jpeg(std::string_view file, int64_t channels, const std::string& name) {
  Decompressor d;
  start_checked(d, file, channels, name);
  const bool inks = d.info.out_color_space == JCS_CMYK, inverted = d.info.saw_Adobe_marker != 0;
  const uint32_t orientation = orientation_of(d.info);  // the end of decoding frees the segments
  if (channels == 0) channels = d.info.num_components == 1 ? 1 : 3;
  Pixels pixels{d.info.output_height, d.info.output_width, channels, {}};
  const auto line = static_cast<size_t>(pixels.width * (inks ? 4 : channels));
  pixels.bytes.resize(static_cast<size_t>(pixels.height) * line);
  if (!read_jpeg_lines(d, pixels.bytes.data(), line))
    throw DataError(str(name, ": damaged JPEG: ", d.errors.message.data()));
  if (inks) pixels.bytes = from_inks(pixels.bytes, inverted, channels);
  return upright(std::move(pixels), orientation);
}

}  // namespace kaem::io
