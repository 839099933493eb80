#pragma once

#include <array>
#include <cstdint>

namespace kaem {

/// Shape of one datum: channels, height, width. Sequences of L words: any shape of L numbers.
using DataShape = std::array<int64_t, 3>;

}  // namespace kaem
