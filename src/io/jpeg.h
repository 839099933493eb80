#pragma once

#include <string>
#include <string_view>

#include "kaem/io/decode.h"

namespace kaem::io {

/// Throws DataError if a picture of this size is not read.
void check_image_size(int64_t height, int64_t width, const std::string& name);

/// decode_image and image_size of a JPEG, turned as its EXIF orientation says.
Pixels decode_jpeg(std::string_view file, int64_t channels, const std::string& name);
ImageSize jpeg_size(std::string_view file, const std::string& name);

}  // namespace kaem::io
