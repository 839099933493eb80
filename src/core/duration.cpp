#include "kaem/core/duration.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <ctime>

#include "kaem/core/error.h"

namespace kaem {
namespace {

struct Unit {
  char letter;
  double seconds;
};
constexpr auto kUnits = std::to_array<Unit>({{'d', 86400}, {'h', 3600}, {'m', 60}, {'s', 1}});

}  // namespace

std::string local_time(const char* format) {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  localtime_r(&now, &parts);
  std::array<char, 80> text{};
  std::strftime(text.data(), text.size(), format, &parts);
  return text.data();
}

std::string clock_text(double seconds) {
  const int64_t s = std::llround(seconds);
  std::array<char, 40> text{};
  if (s >= 3600)
    std::snprintf(text.data(), text.size(), "%ld:%02ld:%02ld", static_cast<long>(s / 3600),
                  static_cast<long>(s / 60 % 60), static_cast<long>(s % 60));
  else
    std::snprintf(text.data(), text.size(), "%ld:%02ld", static_cast<long>(s / 60), static_cast<long>(s % 60));
  return text.data();
}

double parse_duration(std::string_view text) {
  const auto refuse = [&]() -> double { throw ConfigError("expected a time above 0, as 90s, 10m or 1h30m"); };
  double sum = 0;
  size_t smaller = 0;  // units that may still come: each but once, the larger first
  const char *at = text.data(), *const end = text.data() + text.size();
  while (at < end) {
    double number = 0;
    const auto [after, fault] = std::from_chars(at, end, number, std::chars_format::fixed);
    if (fault != std::errc() || *at == '-') return refuse();
    const bool alone = at == text.data() && after == end;
    size_t unit = alone ? kUnits.size() - 1 : smaller;
    while (!alone && unit < kUnits.size() && (after == end || kUnits[unit].letter != *after)) ++unit;
    if (unit == kUnits.size()) return refuse();
    sum += number * kUnits[unit].seconds;
    smaller = unit + 1, at = alone ? end : after + 1;
  }
  return sum > 0 && std::isfinite(sum) ? sum : refuse();
}

}  // namespace kaem
