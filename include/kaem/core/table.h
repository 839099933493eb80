#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "kaem/core/error.h"
#include "kaem/core/str.h"

namespace kaem {

/// A row of a table that turns a configuration value into code.
template <class T>
struct Named {
  std::string_view name;
  T value;
};

/// Of `names`, the one with the smallest edit distance to `name` (case ignored); empty if none is near.
std::string nearest_name(std::string_view name, const std::vector<std::string>& names);

/// "; did you mean 'NAME'?" with the nearest of `names`; empty if none is near.
std::string did_you_mean(std::string_view name, const std::vector<std::string>& names);

/// "a, b or c".
std::string listed(const std::vector<std::string>& names);

/// True if the two are the same but for the case of ASCII letters.
bool same_name(std::string_view a, std::string_view b);

/// Names of a table's rows, in order.
template <class Table>
std::vector<std::string> names_of(const Table& table) {
  std::vector<std::string> names;
  for (const auto& row : table) names.emplace_back(row.name);
  return names;
}

/// The one message for a name that is in no row: what, got, allowed, nearest.
std::string unknown_name_message(std::string_view what, std::string_view name, const std::vector<std::string>& names);

/// The value of the row called `name` (case ignored); throws ConfigError that lists the names.
template <class Table>
const auto& find(const Table& table, std::string_view what, std::string_view name) {
  for (const auto& row : table)
    if (same_name(row.name, name)) return row.value;
  throw ConfigError(unknown_name_message(what, name, names_of(table)));
}

}  // namespace kaem
