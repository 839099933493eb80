#pragma once

#include <string>
#include <string_view>

/// What a target does with one input; each target defines it. A DataError or ConfigError is a good answer, anything
/// else is a fault.
void kaem_fuzz(std::string_view bytes);
