#pragma once

#include <cstdint>
#include <string>

namespace kaem {

/// "1234567" as "1,234,567".
std::string grouped(int64_t number);

}  // namespace kaem
