#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

/// Pictures from files. No torch here.
namespace kaem::io {

struct Pixels {
  int64_t height = 0, width = 0, channels = 0;
  std::vector<uint8_t> bytes;  ///< rows of pixels, the channels of a pixel side by side
};

struct ImageSize {
  int64_t height = 0, width = 0, channels = 0;
};

/// Decodes a JPEG, PNG, BMP, GIF, TGA or PNM file to `channels` (1 grey or 3 RGB; 0: grey if the file is, else RGB);
/// transparency is dropped, a JPEG in CMYK becomes RGB and is turned as its EXIF orientation says. DataError names
/// `name` if the file is damaged, truncated, of another kind or too large.
Pixels decode_image(std::string_view file, int64_t channels, const std::string& name);

/// What decode_image would give (channels 1 or 3), by the header alone.
ImageSize image_size(std::string_view file, const std::string& name);

/// True for the extensions of files that decode_image reads (case ignored).
bool is_image_name(std::string_view name);

}  // namespace kaem::io
