#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace kaem {

/// Channels, height and width of the records of data set FOLDER where no size is asked for, from the headers of some of
/// its pictures: their own size if they share one of at most 64x64, else a square of the power of two that is nearest
/// to the median of their shorter sides, at most 64; grey if all of them are. DataError if none can be read. `notes`
/// gets a line if the pictures are resized.
std::array<int64_t, 3> folder_shape(const std::string& folder, std::vector<std::string>* notes = nullptr);

/// How many pictures lie anywhere below the folder; DataError if there is none.
int64_t folder_pictures(const std::string& folder);

/// Of so many pictures those for the test where `asked` are asked for: all of these, or a fifth of a folder that has
/// less than twice as many.
int64_t folder_test_size(int64_t pictures, int64_t asked);

}  // namespace kaem
