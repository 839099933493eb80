#include "config/ini.h"

#include <ini.h>

#include <algorithm>
#include <charconv>

#include "kaem/core/error.h"
#include "kaem/core/str.h"

namespace kaem::config {
namespace {

constexpr std::string_view kBlanks = " \t\v\f\r";
constexpr size_t kLongestSection = 48;  // inih cuts longer names without a word

std::string_view trim(std::string_view text) {
  const size_t first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

/// What stands before a comment: one that starts the line, or one behind a blank.
std::string_view without_comment(std::string_view line) {
  for (size_t i = 0; i < line.size(); ++i)
    if ((line[i] == ';' || line[i] == '#') && (i == 0 || line[i - 1] == ' ' || line[i - 1] == '\t'))
      return trim(line.substr(0, i));
  return line;
}

/// inih pulls lines from here and hands entries back; exceptions must not cross it, so the first error is kept.
struct Source {
  std::string_view rest;
  int line = 0;
  std::string error;
  std::vector<IniEntry> entries;

  char* next(char* buffer, int size);
  std::string fault(std::string_view content) const;
};

/// What is wrong with a line that inih would cut or misread; empty if nothing is.
std::string Source::fault(std::string_view content) const {
  if (content.find('\0') != std::string_view::npos) return "holds a zero byte; is this a text file?";
  if (content.find('\r') != std::string_view::npos)
    return "holds a carriage return without a line feed (line ends of old Macs?)";
  if (content.size() > kLongestLine) return str("longer than ", kLongestLine, " bytes");
  if (content.empty() || content[0] != '[') return {};
  if (content.back() != ']' || content.find(']') != content.size() - 1) return "expected '[section]' alone on its line";
  if (trim(content.substr(1, content.size() - 2)).empty()) return "the section has no name";
  if (content.size() > kLongestSection) return str("section name longer than ", kLongestSection - 2, " bytes");
  return {};
}

char* Source::next(char* buffer, int size) {
  if (rest.empty() || !error.empty()) return nullptr;
  const size_t end = std::min(rest.find('\n'), rest.size());
  const std::string_view whole = trim(rest.substr(0, end));
  const std::string_view content = whole.find('\r') == std::string_view::npos ? without_comment(whole) : whole;
  rest.remove_prefix(std::min(end + 1, rest.size()));
  ++line;
  error = fault(content);
  if (error.empty() && content.size() + 2 > static_cast<size_t>(size)) error = "too long for the INI reader";
  if (!error.empty()) return nullptr;
  *std::copy(content.begin(), content.end(), buffer) = '\n';
  buffer[content.size() + 1] = '\0';
  return buffer;
}

char* pull_line(char* buffer, int size, void* source) { return static_cast<Source*>(source)->next(buffer, size); }

int take_entry(void* user, const char* section, const char* key, const char* value) {
  auto& source = *static_cast<Source*>(user);
  if (*key == '\0') return 0;
  if (source.error.empty() && *section == '\0') source.error = str("'", key, "' stands before any [section]");
  const std::string_view name = trim(section);
  source.entries.push_back({std::string(name), key, value ? value : "", source.line});
  return 1;
}

/// N of "; kaem config N" in the first line, else 0.
int format_number(std::string_view text, const std::string& name) {
  constexpr std::string_view kMark = "; kaem config ";
  if (!text.starts_with(kMark)) return 0;
  const std::string_view number = trim(text.substr(kMark.size(), text.find('\n') - kMark.size()));
  int format = 0;
  const auto [end, fault] = std::from_chars(number.data(), number.data() + number.size(), format);
  if (fault != std::errc() || end != number.data() + number.size() || format < 1)
    throw ConfigError(str(name, ":1: expected '; kaem config' and a format number of 1 or more"));
  return format;
}

}  // namespace

Ini read_ini(std::string_view text, const std::string& name) {
  text = without_byte_order_mark(text);
  Source source{.rest = text, .line = 0, .error = {}, .entries = {}};
  const int format = format_number(text, name);
  const int bad_line = ini_parse_stream(pull_line, &source, take_entry, &source);
  if (bad_line > 0 && (source.error.empty() || bad_line < source.line))
    throw ConfigError(str(name, ":", bad_line, ": expected 'key = value', '[section]' or a comment"));
  if (!source.error.empty()) throw ConfigError(str(name, ":", source.line, ": ", source.error));
  return {std::move(source.entries), format};
}

}  // namespace kaem::config
