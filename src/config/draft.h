#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "config/fields.h"
#include "config/ini.h"
#include "config/reserved.h"
#include "kaem/core/error.h"

namespace kaem::config {

/// Where a field's value comes from.
struct Given {
  std::string spelling, text;  ///< as given
  std::string value;           ///< as printed
  std::string where;           ///< "file:line" or the option
  bool from_file = false;
};

/// A configuration while it is put together: values with where they come from, not yet checked against each other.
class Draft {
 public:
  Draft() : fields_(fields_of(config)) {}
  Draft(const Draft&) = delete;
  Draft& operator=(const Draft&) = delete;

  /// Takes all entries of an INI text; `name` stands in messages.
  void read(std::string_view text, const std::string& name);
  /// Takes one value; `from_file` false: an option, which goes before what a file says.
  void set(std::string_view section, std::string_view key, std::string value, const std::string& where, bool from_file);
  /// ConfigError for a file that describes another kind of model, and none of ours.
  void refuse_baselines() const;
  /// One warning for all keys that were accepted but have no effect.
  void note_unused();

  /// "SECTION.key" of the field that a spelling sets, an older one included; ConfigError for unknown names.
  std::string id_of(std::string_view section, std::string_view key) const;

  bool has(const std::string& id) const { return given_.contains(id); }
  /// True if the user has not been told of this value: an option, or a file that lacks our first line.
  bool is_news(const std::string& id) const;
  /// True if a file gave it that lacks our first line.
  bool of_reference(const std::string& id) const { return is_news(id) && given_.at(id).from_file; }
  /// Throws ConfigError about the value of field `id` ("SECTION.key"): where, section, key, value, then `what`.
  [[noreturn]] void fail(const std::string& id, const std::string& what) const;
  void note(const std::string& text) { config.notes.push_back(text); }
  /// Where field `id` was given, and as what: "f.ini:3: [SECTION] key = value"; empty if it was not.
  std::string given(const std::string& id) const;

  Config config;
  bool wants_automala = false;  ///< use_autoMALA of older files, which stands beside use_langevin
  bool resolved = false;        ///< the text begins with our first line: the reference's meanings are not meant

 private:
  const Field* find_field(std::string_view section, std::string_view key) const;
  bool set_reserved(std::string_view section, std::string_view key, const std::string& value, const std::string& where);
  void set_field(const Field& field, std::string_view key, const std::string& value, const std::string& where,
                 bool from_file);
  std::string known_section(std::string_view section, const std::string& where) const;
  [[noreturn]] void unknown_key(const std::string& section, std::string_view key, const std::string& where) const;

  std::vector<Field> fields_;
  std::map<std::string, Given> given_;                      // by id
  std::map<std::string, std::vector<std::string>> unused_;  // keys by section
  std::string baseline_;                                    // where a section of a baseline was seen
  bool model_ = false;                                      // a section of our model was seen
  bool tuning_ = false;                                     // NaN stands for "to be searched" in files with [TUNING]
};

/// What `read` refuses is said where the value was given.
template <class Read>
void refuse_as(const Draft& draft, const char* id, const Read& read) {
  try {
    read();
  } catch (const ConfigError& error) {
    draft.fail(id, error.what());
  }
}

/// Settles mode, data set and defaults that depend on other keys, then checks the keys against each other.
void resolve(Draft& draft, const std::string& dataset, const std::string& mode);

/// Checks the keys of [POST_LANGEVIN], [THERMODYNAMIC_INTEGRATION] and [Encoder] against each other.
void check_posterior(const Draft& draft);

/// Says which keys that a file of the reference's gives mean something else here.
void note_reference(Draft& draft);

/// The text of a configuration file; ConfigError if it cannot be read or is none.
std::string read_configuration(const std::string& path);

/// The data set's name as the program spells it; ConfigError for unknown ones and those that are not built yet, which
/// starts with `where`.
std::string known_dataset(const std::string& name, const std::string& where);

}  // namespace kaem::config
