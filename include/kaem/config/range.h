#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

/// Ranges of searched keys, as [TUNING] spells them. No torch here, so that reading can be fuzzed quickly.
namespace kaem {

/// What a key may be in a search: `uniform A B`, `log A B`, `int A B`, or `choice A B C`.
struct Range {
  enum class Kind { kUniform, kLog, kInteger, kChoice };
  Kind kind = Kind::kUniform;
  double low = 0, high = 0;          ///< ends, both allowed (not kChoice); whole numbers for kInteger
  std::vector<std::string> choices;  ///< kChoice only

  bool operator==(const Range&) const = default;

  /// The value at u in [0,1): numbers by their distribution function (log: of the logarithm), choices in equal parts.
  std::string at(double u) const;

  /// Values of a grid with up to `points` of each numeric range, its ends among them (one point: the middle).
  std::vector<std::string> grid(int64_t points) const;
};

/// Reads a range; ConfigError says what is wrong with it, without a place.
Range parse_range(std::string_view text);

/// The range as parse_range reads it back.
std::string to_text(const Range& range);

}  // namespace kaem
