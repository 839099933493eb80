#pragma once

#include <string>
#include <string_view>

#include "kaem/io/decode.h"

namespace kaem::io {

/// decode_image and image_size of a JPEG, turned as its EXIF orientation says.
Pixels decode_jpeg(std::string_view file, int64_t channels, const std::string& name);
ImageSize jpeg_size(std::string_view file, const std::string& name);

}  // namespace kaem::io
