#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <string>
#include <string_view>

namespace kaem::test {

/// `text` with the folders of its absolute paths left out.
inline std::string without_folders(const std::string& text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool begins =
        text[i] == '/' && (i == 0 || std::string_view(" '\"(=").find(text[i - 1]) != std::string_view::npos);
    if (begins) {
      const size_t end = std::min(text.find_first_of(" '\"),;:", i), text.size());
      const size_t slash = text.rfind('/', end - 1);
      i = slash;
      continue;
    }
    out += text[i];
  }
  return out;
}

/// What every message of ours must be: one line of at most 200 characters (not counting where the user's files lie)
/// that says no file's or key's name twice.
inline void expect_readable(const std::string& message) {
  const std::string text = without_folders(message);
  EXPECT_EQ(text.find('\n'), std::string::npos) << "more than one line: " << text;
  EXPECT_LE(text.size(), 200u) << text;
  std::map<std::string, int> names;
  bool in_url = false;  // a place, which may end in a name that stands before
  std::string word;
  for (const char c : text + " ") {
    if (std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '.' || c == '-' || c == '/') {
      word += c;
      continue;
    }
    const bool of_url = in_url;
    in_url = c != ' ' && (in_url || (c == ':' && (word == "http" || word == "https" || word == "file")));
    while (!word.empty() && (word.back() == '.' || word.back() == '-')) word.pop_back();
    const bool is_name = word.size() >= 4 && !of_url && word.front() != '.' &&
                         word.find_first_of("._") != std::string::npos &&
                         word.find_first_not_of("0123456789.e-") != std::string::npos;
    if (is_name) {
      EXPECT_EQ(++names[word], 1) << "says '" << word << "' again: " << text;
    }
    word.clear();
  }
  EXPECT_FALSE(text.starts_with("kaem: kaem")) << text;
}

}  // namespace kaem::test
