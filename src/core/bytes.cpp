#include "kaem/core/bytes.h"

#include <charconv>
#include <cmath>

#include "kaem/core/error.h"

namespace kaem {

double parse_bytes(std::string_view text) {
  constexpr std::string_view kUnits = "KMGT";
  double number = 0;
  const char* const end = text.data() + text.size();
  const auto [after, fault] = std::from_chars(text.data(), end, number, std::chars_format::fixed);
  const size_t unit = after + 1 == end ? kUnits.find(*after) : std::string_view::npos;
  if (fault != std::errc() || unit == std::string_view::npos || !(number > 0) || !std::isfinite(number))
    throw ConfigError("expected a size above 0 with its unit, as 512M, 4G or 1.5G");
  return number * std::pow(1024.0, static_cast<double>(unit + 1));
}

}  // namespace kaem
