#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "config/value.h"
#include "kaem/config/config.h"
#include "kaem/config/tuning.h"

namespace kaem::config {

/// One key of a Config, with the field of that very Config that it sets.
struct Field {
  std::string_view section, section_help;
  Key key;
  Slot slot;

  std::string id() const { return std::string(section) + "." + std::string(key.name); }
  /// True if the field is spelt so, by its name or an alias.
  bool spelt(std::string_view name) const;
};

/// All keys of `config`, in the order in which they are printed. The fields point into it.
std::vector<Field> fields_of(Config& config);

/// True if a run of this mode reads the section: each baseline has one of its own, and few of KAEM's.
bool is_read(std::string_view section, std::string_view mode);

/// All keys of [TUNING] but the searched ones.
std::vector<Field> fields_of(TuningOptions& options);

}  // namespace kaem::config
