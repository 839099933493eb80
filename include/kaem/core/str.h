#pragma once

#include <sstream>
#include <string>

namespace kaem {

/// All arguments written to one string with operator<<.
template <class... Args>
std::string str(const Args&... args) {
  std::ostringstream out;
  (out << ... << args);
  return out.str();
}

}  // namespace kaem
