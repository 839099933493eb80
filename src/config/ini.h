#pragma once

#include <string>
#include <string_view>
#include <vector>

/// Reading of INI text. No torch here, so that it can be fuzzed quickly.
namespace kaem::config {

/// One `key = value` of an INI file.
struct IniEntry {
  std::string section, key, value;
  int line = 0;
};

/// An INI file taken apart, in its order.
struct Ini {
  std::vector<IniEntry> entries;
  int format = 0;  ///< N of a first line "; kaem config N"; 0: none, written by hand
};

/// Longest line in bytes, comments not counted (inih's buffer).
inline constexpr size_t kLongestLine = 198;

/// Takes INI text apart: UTF-8 with or without a byte order mark, LF or CRLF, `;` and `#` comments (within a line after
/// a blank), indentation and trailing blanks ignored. ConfigError "name:line: ..." for anything else.
Ini read_ini(std::string_view text, const std::string& name);

}  // namespace kaem::config
