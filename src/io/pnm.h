#pragma once

#include <string>
#include <string_view>

#include "kaem/io/decode.h"

namespace kaem::io {

/// True for a binary PGM or PPM.
bool is_pnm(std::string_view file);

/// decode_image and image_size of one, of 8 or 16 bits; values are scaled from its own greatest value to 255.
Pixels decode_pnm(std::string_view file, int64_t channels, const std::string& name);
ImageSize pnm_size(std::string_view file, const std::string& name);

}  // namespace kaem::io
