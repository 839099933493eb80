#pragma once

#include <string_view>

namespace kaem {

/// Bytes of a text such as 4G, 512M or 1.5G, powers of 1,024 as in SLURM; ConfigError for another.
double parse_bytes(std::string_view text);

}  // namespace kaem
