#pragma once

#include <cstdint>
#include <string>

namespace kaem::io {

/// Throws DataError if a picture of this size is not read.
void check_image_size(int64_t height, int64_t width, const std::string& name);

}  // namespace kaem::io
