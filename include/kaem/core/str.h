#pragma once

#include <sstream>
#include <string>
#include <string_view>

namespace kaem {

/// All arguments written to one string with operator<<.
template <class... Args>
std::string str(const Args&... args) {
  std::ostringstream out;
  (out << ... << args);
  return out.str();
}

/// What some editors write before a text in UTF-8; it is no part of it.
inline constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

/// The text behind a byte order mark, if it begins with one.
inline std::string_view without_byte_order_mark(std::string_view text) {
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  return text;
}

/// A word as a shell takes it back whole: in single quotes where it holds what a shell would read otherwise.
inline std::string shell_word(std::string word) {
  if (!word.empty() && word.find_first_of(" \t\n\"'\\$`*?[]{}~!;&|<>()#") == std::string::npos) return word;
  for (size_t at = 0; (at = word.find('\'', at)) != std::string::npos; at += 4) word.replace(at, 1, "'\\''");
  return "'" + word + "'";
}

}  // namespace kaem
