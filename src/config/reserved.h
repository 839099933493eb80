#pragma once

#include <string>
#include <string_view>
#include <vector>

/// Keys and values of the reference's files that are no fields of Config: older names, and features that are not built
/// yet.
namespace kaem::config {

/// What becomes of a key that is no field.
enum class Rule {
  kUnused,    ///< a setting of a feature that is off: accepted, no effect
  kObsolete,  ///< no longer does anything: accepted with a warning
  kIgnored,   ///< accepted; with another value than `off` a warning says that it is ignored
  kTuning,    ///< read by kaem tune, which documents it; no effect elsewhere
  kOff,       ///< any value but `off` would switch a feature on that is not built yet
};

struct Reserved {
  std::string_view section, key, alias;
  Rule rule;
  std::string_view off = {};  ///< value that leaves the feature off
};

/// The row of a key (aliases and sections that take any key included); nullptr if there is none.
const Reserved* find_reserved(std::string_view section, std::string_view key);

/// True if `value` means the row's off value: as words without case, or as numbers.
bool means_off(const Reserved& row, std::string_view value);

std::vector<std::string> reserved_sections();
std::vector<std::string> reserved_keys(std::string_view section);

/// An older key that sets a field of another name; its values are translated.
struct Renamed {
  std::string_view section, key, new_key;
  std::string_view when_true, when_false;  ///< values that true and false become; both empty: any value, as it is; the
                                           ///< latter alone: a switch beside another older key, off without effect
  std::string_view new_section = {};       ///< empty: the same
};
const Renamed* find_renamed(std::string_view section, std::string_view key);

/// A value of the reference that has no meaning of its own here; `note` empty: replaced without a word.
struct MappedValue {
  std::string_view section, key, from, to, note;
};
const MappedValue* find_mapped(std::string_view section, std::string_view key, std::string_view value);

/// Every row, for docs/configuration.md.
const std::vector<Reserved>& all_reserved();
const std::vector<Renamed>& all_renamed();
const std::vector<MappedValue>& all_mapped();

/// True for sections of a format that is too old to read.
bool is_older_format(std::string_view section);

}  // namespace kaem::config
