#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

namespace kaem {

/// How one configuration key is spelt, explained and limited. Its type and default are the field's own.
///
/// Every options struct lists its keys once, in `visit(self, v)`, as `v(Key{...}, self.field)`; parsing, checking,
/// printing, `--set`, `--help-config` and docs/configuration.md all walk that list. Fields are bool, int64_t, uint64_t,
/// double, std::string, std::vector<int64_t> or std::vector<double>.
struct Key {
  std::string_view name;                                  ///< as printed; may hold Greek letters (UTF-8)
  std::string_view help;                                  ///< one sentence
  std::vector<std::string> aliases = {};                  ///< other accepted spellings (ASCII form, older names)
  double min = -std::numeric_limits<double>::infinity();  ///< least allowed number (each, for a list)
  double max = std::numeric_limits<double>::infinity();   ///< greatest allowed number
  bool min_open = false;                                  ///< `min` itself is not allowed
  std::vector<std::string> choices = {};                  ///< allowed words (case ignored); empty: any
  std::string_view reference = {};                        ///< what the Julia reference does with it, where that differs
  std::string_view absent = {};  ///< what a file without the key gets, where that is not the field's own default
};

}  // namespace kaem
