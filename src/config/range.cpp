#include "kaem/config/range.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "kaem/core/error.h"
#include "kaem/core/str.h"
#include "kaem/core/table.h"

namespace kaem {
namespace {

using Kind = Range::Kind;

constexpr auto kKinds = std::to_array<Named<Kind>>(
    {{"uniform", Kind::kUniform}, {"log", Kind::kLog}, {"int", Kind::kInteger}, {"choice", Kind::kChoice}});
constexpr double kLargestInteger = 1e15;  // every whole number up to here is a double

std::vector<std::string> words_of(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\v\f\r\n";
  std::vector<std::string> words;
  while (true) {
    const size_t first = text.find_first_not_of(kBlanks);
    if (first == std::string_view::npos) return words;
    text.remove_prefix(first);
    const size_t end = std::min(text.find_first_of(kBlanks), text.size());
    words.emplace_back(text.substr(0, end));
    text.remove_prefix(end);
  }
}

double number_of(std::string_view text) {
  double value = 0;
  if (text.starts_with('+') && !text.starts_with("+-") && !text.starts_with("++")) text.remove_prefix(1);
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (fault != std::errc() || end != text.data() + text.size() || !std::isfinite(value))
    throw ConfigError(str("'", text, "' is not a number"));
  return value;
}

std::string exact(double value) {
  std::array<char, 64> text{};
  return {text.data(), std::to_chars(text.data(), text.data() + text.size(), value).ptr};
}

std::string whole(double value) { return std::to_string(static_cast<int64_t>(value)); }

/// Six significant digits are finer than any search, and a file that people read stays readable.
std::string rounded(double value, const Range& range) {
  std::array<char, 64> text{};
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value, std::chars_format::general, 6).ptr;
  double read = 0;
  std::from_chars(text.data(), end, read);
  return exact(std::clamp(read, range.low, range.high));
}

Kind kind_of(const std::string& word) {
  for (const auto& row : kKinds)
    if (same_name(row.name, word)) return row.value;
  throw ConfigError(unknown_name_message("range", word, names_of(kKinds)));
}

void check_numbers(const Range& range) {
  if (!(range.low < range.high)) throw ConfigError("expected two ascending numbers");
  if (range.kind == Kind::kLog && !(range.low > 0)) throw ConfigError("log needs numbers above 0");
  if (range.kind != Kind::kInteger) {
    if (!std::isfinite(range.high - range.low)) throw ConfigError("the numbers are too far apart");
    return;
  }
  for (const double end : {range.low, range.high})
    if (end != std::floor(end) || std::abs(end) > kLargestInteger) throw ConfigError("int needs whole numbers");
}

/// The number at share t in [0,1] of the range.
double between(const Range& range, double t) {
  if (range.kind == Kind::kLog) return std::exp(std::lerp(std::log(range.low), std::log(range.high), t));
  return std::lerp(range.low, range.high, t);
}

}  // namespace

Range parse_range(std::string_view text) {
  const auto words = words_of(text);
  if (words.empty()) throw ConfigError("expected a range: uniform A B, log A B, int A B, or choice A B ...");
  Range range;
  range.kind = kind_of(words[0]);
  if (range.kind == Kind::kChoice) {
    range.choices.assign(words.begin() + 1, words.end());
    if (range.choices.empty()) throw ConfigError("choice needs at least one value");
    if (text.find('"') != std::string_view::npos) throw ConfigError("choice takes values without quotes");
    for (auto it = range.choices.begin(); it != range.choices.end(); ++it)
      if (std::find(range.choices.begin(), it, *it) != it) throw ConfigError(str("'", *it, "' is there twice"));
    return range;
  }
  if (words.size() != 3) throw ConfigError(str(words[0], " needs two numbers"));
  range.low = number_of(words[1]), range.high = number_of(words[2]);
  check_numbers(range);
  return range;
}

std::string to_text(const Range& range) {
  std::string text;
  for (const auto& row : kKinds)
    if (row.value == range.kind) text = row.name;
  for (const auto& choice : range.choices) text += " " + choice;
  if (range.kind == Kind::kChoice) return text;
  return str(text, " ", exact(range.low), " ", exact(range.high));
}

std::string Range::at(double u) const {
  if (kind == Kind::kChoice) {
    const auto index = static_cast<size_t>(u * static_cast<double>(choices.size()));
    return choices[std::min(index, choices.size() - 1)];
  }
  if (kind == Kind::kInteger) return whole(std::min(low + std::floor(u * (high - low + 1)), high));
  return rounded(between(*this, u), *this);
}

std::vector<std::string> Range::grid(int64_t points) const {
  if (kind == Kind::kChoice) return choices;
  if (points < 2) return {at(0.5)};
  std::vector<std::string> values;
  for (int64_t i = 0; i < points; ++i) {
    const double t = static_cast<double>(i) / static_cast<double>(points - 1);
    std::string value =
        kind == Kind::kInteger ? whole(std::round(between(*this, t))) : rounded(between(*this, t), *this);
    if (values.empty() || values.back() != value) values.push_back(std::move(value));
  }
  return values;
}

}  // namespace kaem
