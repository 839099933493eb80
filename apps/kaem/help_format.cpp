#include "help_format.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <sstream>

#include "kaem/core/str.h"

namespace kaem::app {
namespace {

constexpr size_t kNames = 30;  // columns of the options' names

/// A name, and what it means in the second column: on a line of its own where the name is long.
std::string entry(const std::string& name, const std::string& meaning) {
  const std::string head = "  " + name;
  const bool fits = columns_of(head) + 1 < kNames;
  std::string text = head;
  if (!meaning.empty()) {
    text += fits ? std::string(kNames - columns_of(head), ' ') : "\n" + std::string(kNames, ' ');
    text += wrapped(meaning, output_columns() - kNames, kNames);
  }
  return text + "\n";
}

}  // namespace

size_t columns_of(std::string_view text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

std::string wrapped(std::string_view text, size_t width, size_t indent) {
  std::string result;
  std::istringstream lines{std::string(text)};
  bool first = true;
  for (std::string line; std::getline(lines, line); first = false) {
    const std::string hanging(first ? indent : indent + 2, ' ');  // an item of a list: its further lines stand back
    if (!first) result += "\n" + std::string(indent, ' ');
    size_t used = 0, left = width;
    std::istringstream words{line};
    for (std::string word; words >> word;) {
      const size_t columns = columns_of(word);
      if (used > 0 && used + 1 + columns > left)
        result += "\n" + hanging, used = 0, left = width - (hanging.size() - indent);
      if (used > 0) result += ' ', ++used;
      result += word, used += columns;
    }
  }
  return result;
}

size_t output_columns() {
  constexpr size_t kPiped = 100, kLeast = 60, kMost = 140;
  winsize size{};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return kPiped;
  return std::clamp<size_t>(size.ws_col, kLeast, kMost);
}

std::string HelpFormat::make_option(const CLI::Option* option, bool is_positional) const {
  return entry(make_option_name(option, is_positional) + make_option_opts(option), make_option_desc(option));
}

std::string HelpFormat::make_subcommand(const CLI::App* sub) const {
  return entry(sub->get_name(), sub->get_description());
}

std::string HelpFormat::make_description(const CLI::App* app) const {
  return wrapped(app->get_description(), output_columns()) + "\n";
}

/// Lines that begin with a blank are commands, which stay whole.
std::string HelpFormat::make_footer(const CLI::App* app) const {
  std::string text;
  std::istringstream lines(app->get_footer());
  for (std::string line; std::getline(lines, line);)
    text += (line.starts_with(' ') ? line : wrapped(line, output_columns())) + "\n";
  return text;
}

}  // namespace kaem::app
