#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "kaem/core/options.h"

/// Typed values of configuration keys. No torch here, so that it can be fuzzed quickly.
namespace kaem::config {

/// The field that a key sets.
using Slot =
    std::variant<bool*, int64_t*, uint64_t*, double*, std::string*, std::vector<int64_t>*, std::vector<double>*>;

/// Longest text value in bytes: key and value must fit a line of the INI reader.
inline constexpr size_t kLongestText = 160;

/// Sets the slot if the whole text is a value of its type that the key allows; else leaves it alone and returns false.
bool assign(std::string_view text, const Key& key, const Slot& slot);

/// What the key takes: "an integer in 1..100", "one of: a b c", ...
std::string wanted(const Key& key, const Slot& slot);

/// Why a number is refused though it keeps the key's own bounds: it, its square or its product with others is not held
/// by float32 (or a 64-bit count). Empty for others.
std::string beyond_all(std::string_view text, const Key& key, const Slot& slot);

/// The value as `assign` reads it back, bit for bit.
std::string print(const Slot& slot);

}  // namespace kaem::config
