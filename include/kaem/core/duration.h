#pragma once

#include <string>
#include <string_view>

namespace kaem {

/// "1:02:03", "2:41".
std::string clock_text(double seconds);

/// The local time now, as strftime prints it.
std::string local_time(const char* format);

/// Seconds of "90s", "10m", "1h30m", "2d"; a number alone is seconds. ConfigError if it is none, or not above 0.
double parse_duration(std::string_view text);

}  // namespace kaem
