#include "config/value.h"

#include <charconv>
#include <cmath>
#include <limits>
#include <system_error>

#include "kaem/core/str.h"
#include "kaem/core/table.h"

namespace kaem::config {
namespace {

std::string_view trim(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

constexpr double kMostReal = 1e9, kMostWhole = 1e12;  // where a key sets no bound of its own

/// Numbers are used in float32, and so are their squares and products: what these round to 0 or infinity would be
/// another setting.
bool is_usable(double value) {
  const double size = std::abs(value);
  return size == 0 || (size >= std::numeric_limits<float>::min() && size <= kMostReal);
}

bool in_range(double value, const Key& key) {
  return value >= key.min && value <= key.max && !(key.min_open && value == key.min);
}

/// A whole-string number: decimal digits only ("12abc", "0x10", "inf" and "nan" are refused).
template <class T>
bool read_number(std::string_view text, const Key& key, T& value) {
  if (text.starts_with('+')) {
    text.remove_prefix(1);
    if (text.starts_with('-') || text.starts_with('+')) return false;
  }
  T read{};
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), read);
  if (fault != std::errc() || end != text.data() + text.size()) return false;
  if (!std::isfinite(static_cast<double>(read)) || !in_range(static_cast<double>(read), key)) return false;
  value = read;
  return true;
}

bool read(std::string_view text, const Key&, bool& value) {
  if (!same_name(text, "true") && !same_name(text, "false")) return false;
  value = same_name(text, "true");
  return true;
}
bool read(std::string_view text, const Key& key, int64_t& value) {
  int64_t read = 0;
  if (!read_number(text, key, read) || std::abs(static_cast<double>(read)) > kMostWhole) return false;
  value = read;
  return true;
}
bool read(std::string_view text, const Key& key, uint64_t& value) { return read_number(text, key, value); }
bool read(std::string_view text, const Key& key, double& value) {
  double read = 0;
  if (!read_number(text, key, read) || !is_usable(read)) return false;
  value = read;
  return true;
}

/// Words come out as the table spells them; free text must survive being written to and read from a file.
bool read(std::string_view text, const Key& key, std::string& value) {
  for (const auto& choice : key.choices)
    if (same_name(text, choice)) {
      value = choice;
      return true;
    }
  if (!key.choices.empty() || text.size() > kLongestText || text != trim(text)) return false;
  if (text.find_first_of(std::string_view("\r\n\v\f\0", 5)) != std::string_view::npos) return false;
  for (const char* mark : {" ;", " #", "\t;", "\t#"})
    if (text.find(mark) != std::string_view::npos) return false;
  if (text.starts_with(';') || text.starts_with('#')) return false;
  value = text;
  return true;
}

std::string written(bool value) { return value ? "true" : "false"; }
std::string written(const std::string& value) { return value; }

/// The shortest decimal text that reads back to the same number; exponents only where they are shorter.
template <class T>
requires std::is_arithmetic_v<T> std::string written(T value) {
  char buffer[64];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value).ptr;
  return {buffer, end};
}

template <class T>
std::string written(const std::vector<T>& value) {
  std::string text;
  for (const auto& item : value) text += str(text.empty() ? "" : ",", written(item));
  return text;
}

template <class T>
bool read(std::string_view text, const Key& key, std::vector<T>& value) {
  std::vector<T> items;
  while (!trim(text).empty()) {
    const size_t comma = text.find(',');
    T item{};
    if (!read(trim(text.substr(0, comma)), key, item)) return false;
    items.push_back(item);
    if (comma == std::string_view::npos) break;
    text.remove_prefix(comma + 1);
    if (trim(text).empty()) return false;  // a comma at the end
  }
  if (written(items).size() > kLongestText) return false;
  value = std::move(items);
  return true;
}

/// A bound as one would write it: 1000000, not 1e+06.
std::string bound(double value) {
  const bool whole = std::abs(value) < 1e15 && value == std::floor(value);
  return whole ? written(static_cast<int64_t>(value)) : written(value);
}

/// " in 1..100", " of at least 1", " above 0", " above 0, at most 1" or nothing.
std::string range(const Key& key) {
  const bool low = std::isfinite(key.min), high = std::isfinite(key.max);
  if (low && key.min_open) return str(" above ", bound(key.min), high ? str(", at most ", bound(key.max)) : "");
  if (!low && !high) return {};
  if (!low || !high) return str(" of at ", low ? "least " : "most ", bound(low ? key.min : key.max));
  return str(" in ", bound(key.min), "..", bound(key.max));
}

std::string kind(const Key&, const bool*) { return "true or false"; }
std::string kind(const Key& key, const int64_t*) { return "an integer" + range(key); }
std::string kind(const Key& key, const uint64_t*) { return "an integer" + range(key); }
std::string kind(const Key& key, const double*) {
  return key.min == key.max ? bound(key.min) : "a number" + range(key);
}
std::string kind(const Key& key, const std::vector<int64_t>*) {
  return "integers" + range(key) + " with commas between";
}
std::string kind(const Key& key, const std::vector<double>*) { return "numbers" + range(key) + " with commas between"; }
std::string kind(const Key& key, const std::string*) {
  if (key.choices.empty()) return str("a text of at most ", kLongestText, " bytes without comment marks");
  std::string text = "one of:";
  for (const auto& choice : key.choices) text += " " + choice;
  return text;
}

}  // namespace

bool assign(std::string_view text, const Key& key, const Slot& slot) {
  return std::visit([&](auto* field) { return read(text, key, *field); }, slot);
}

std::string wanted(const Key& key, const Slot& slot) {
  return std::visit([&](auto* field) { return kind(key, field); }, slot);
}

std::string beyond_all(std::string_view text, const Key& key, const Slot& slot) {
  double value = 0;
  if (!read_number(text, Key{}, value) || !in_range(value, key)) return "";
  const bool real = std::holds_alternative<double*>(slot) || std::holds_alternative<std::vector<double>*>(slot);
  if (real && !is_usable(value)) return "beyond the numbers that are taken: 0, or 1.2e-38 to 1e9 in size";
  const bool whole = std::holds_alternative<int64_t*>(slot) || std::holds_alternative<std::vector<int64_t>*>(slot);
  return whole && std::abs(value) > kMostWhole ? "beyond the numbers that are taken: 1e12 in size" : "";
}

std::string print(const Slot& slot) {
  return std::visit([](auto* field) { return written(*field); }, slot);
}

}  // namespace kaem::config
