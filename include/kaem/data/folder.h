#pragma once

#include <array>
#include <string>

namespace kaem {

/// Channels, height and width of the first image below `folder`, which decide those of data set FOLDER. DataError if it
/// holds none.
std::array<int64_t, 3> first_image_shape(const std::string& folder);

}  // namespace kaem
