#include "config/draft.h"

#include <algorithm>

#include "kaem/baseline/baselines.h"
#include "kaem/core/error.h"
#include "kaem/core/str.h"
#include "kaem/core/table.h"

namespace kaem::config {
namespace {

constexpr int kFormat = 1;
constexpr size_t kKeysNamed = 4;  // sections with more unused keys are only counted

/// Greek letters have look-alikes: the micro sign and the lunate epsilon, which editors complete to.
std::string one_greek(std::string key) {
  for (const auto& [look_alike, letter] : {std::pair{"\u00B5", "\u03BC"}, std::pair{"\u03F5", "\u03B5"}})
    for (size_t at; (at = key.find(look_alike)) != std::string::npos;) key.replace(at, 2, letter);
  return key;
}

std::string quoted_value(std::string_view section, std::string_view key, std::string_view value) {
  constexpr size_t kShown = 60;
  return str("[", section, "] ", key, " = ", value.substr(0, kShown), value.size() > kShown ? "..." : "");
}

/// " line 3" of the place "f.ini:3" for who reads of "f.ini:5", else the place.
std::string place_beside(const std::string& place, const std::string& other) {
  const size_t colon = place.rfind(':');
  const bool same_file = colon != std::string::npos && other.starts_with(place.substr(0, colon + 1));
  return same_file ? "line " + place.substr(colon + 1) : place;
}

void add_unique(std::vector<std::string>& names, std::string_view name) {
  if (std::find(names.begin(), names.end(), name) == names.end()) names.emplace_back(name);
}

}  // namespace

void Draft::read(std::string_view text, const std::string& name) {
  const Ini ini = read_ini(text, name);
  if (ini.format > kFormat)
    throw ConfigError(str(name, ":1: configuration format ", ini.format,
                          " was written by a newer version; this one reads ", kFormat));
  resolved = ini.format > 0;
  for (const auto& entry : ini.entries) {
    if (is_older_format(entry.section))
      throw ConfigError(
          str(name, ":", entry.line, ": [", entry.section, "]: format older than EbmModel/GeneratorModel"));
    tuning_ = tuning_ || same_name(entry.section, "TUNING");
    model_ = model_ || same_name(entry.section, "EbmModel");
    const auto is_its = [&](const BaselineRow& row) { return same_name(row.section, entry.section); };
    if (baseline_.empty() && std::any_of(baselines().begin(), baselines().end(), is_its))
      baseline_ = str(name, ":", entry.line, ": [", entry.section, "]");
  }
  for (const auto& entry : ini.entries) set(entry.section, entry.key, entry.value, str(name, ":", entry.line), true);
}

void Draft::set(std::string_view section, std::string_view key, std::string value, const std::string& where,
                bool from_file) {
  const std::string known = known_section(section, where);
  const std::string name = one_greek(std::string(key));
  if (const auto* row = find_renamed(known, name)) {
    if (!row->when_true.empty()) {
      if (!same_name(value, "true") && !same_name(value, "false"))
        throw ConfigError(str(where, ": ", quoted_value(known, name, value), ": expected true or false"));
      if (row->when_false.empty()) {
        wants_automala = same_name(value, "true");
        return;
      }
      value = same_name(value, "true") ? row->when_true : row->when_false;
    }
    const std::string_view section_now = row->new_section.empty() ? known : row->new_section;
    set_field(*find_field(section_now, row->new_key), name, value, where, from_file);
  } else if (const Field* field = find_field(known, name)) {
    if (tuning_ && from_file && same_name(value, "nan")) return add_unique(unused_[known], name);
    set_field(*field, name, value, where, from_file);
  } else if (!set_reserved(known, name, value, where)) {
    unknown_key(known, name, where);
  }
}

std::string Draft::id_of(std::string_view section, std::string_view key) const {
  const std::string known = known_section(section, "");
  const std::string name = one_greek(std::string(key));
  const auto* row = find_renamed(known, name);
  const std::string_view section_now = row && !row->new_section.empty() ? row->new_section : std::string_view(known);
  const Field* field = find_field(section_now, row ? row->new_key : std::string_view(name));
  if (!field) unknown_key(known, name, "");
  return field->id();
}

const Field* Draft::find_field(std::string_view section, std::string_view key) const {
  for (const auto& field : fields_)
    if (same_name(field.section, section) && field.spelt(key)) return &field;
  return nullptr;
}

void Draft::set_field(const Field& field, std::string_view key, const std::string& text, const std::string& where,
                      bool from_file) {
  std::string value = text;
  if (const auto* row = find_mapped(field.section, field.key.name, value)) {
    value = row->to;
    // In a file of the reference's, gpu stands for what its authors had; who types it wants one.
    if (!from_file && field.id() == "TRAINING.device" && same_name(text, "gpu")) value = "cuda";
    if (!row->note.empty())
      note(str(where, ": ", quoted_value(field.section, key, text), " is taken as ", row->to, ": ", row->note));
  }
  if (field.id() == "DATA.resize")
    std::replace_if(
        value.begin(), value.end(), [](char c) { return c == 'x' || c == 'X'; }, ',');
  const std::string before = print(field.slot);
  if (!assign(value, field.key, field.slot)) {
    const std::string beyond = beyond_all(value, field.key, field.slot);
    const std::string what =
        !beyond.empty() ? beyond
                        : str("expected ", wanted(field.key, field.slot), did_you_mean(value, field.key.choices));
    throw ConfigError(from_file ? str(where, ": ", quoted_value(field.section, key, text), ": ", what)
                                : str(where, ": ", what));
  }
  Given given{std::string(key), text, print(field.slot), where, from_file};
  const auto old = given_.find(field.id());
  if (from_file && old != given_.end() && old->second.value != given.value)
    throw ConfigError(str(where, ": ", quoted_value(field.section, key, text), ": ",
                          place_beside(old->second.where, where), " says ",
                          old->second.spelling == key ? "" : str(old->second.spelling, " = "), old->second.text));
  given_[field.id()] = std::move(given);
}

bool Draft::set_reserved(std::string_view section, std::string_view key, const std::string& value,
                         const std::string& where) {
  const Reserved* row = find_reserved(section, key);
  if (!row) return false;
  const std::string given = quoted_value(row->section, key, value);
  if (const auto* mapped = find_mapped(row->section, row->key, value)) {
    note(str(where, ": ", given, " is taken as ", mapped->to, ": ", mapped->note));
    return true;
  }
  const bool off = means_off(*row, value);
  if (row->rule == Rule::kOff && !off)
    throw ConfigError(
        str(where, ": ", given, ": not built yet", row->off.empty() ? "" : str(" (allowed: ", row->off, ")")));
  if (row->rule == Rule::kIgnored && !off) note(str(where, ": ", given, " is ignored"));
  if (row->rule == Rule::kUnused || row->rule == Rule::kObsolete || row->rule == Rule::kTuning)
    add_unique(unused_[std::string(row->section)], key);
  return true;
}

std::string Draft::known_section(std::string_view section, const std::string& where) const {
  std::vector<std::string> names;
  for (const auto& field : fields_) add_unique(names, field.section);
  for (const auto& name : reserved_sections()) add_unique(names, name);
  for (const auto& name : names)
    if (same_name(name, section)) return name;
  throw ConfigError(str(where, where.empty() ? "unknown section [" : ": unknown section [", section, "]",
                        did_you_mean(section, names)));
}

void Draft::unknown_key(const std::string& section, std::string_view key, const std::string& where) const {
  std::vector<std::string> names = reserved_keys(section);
  std::string elsewhere;
  for (const auto& field : fields_) {
    if (field.section == section) {
      names.emplace_back(field.key.name);
      names.insert(names.end(), field.key.aliases.begin(), field.key.aliases.end());
    } else if (elsewhere.empty() && field.spelt(key)) {
      elsewhere = field.section;
    }
  }
  std::string hint = did_you_mean(key, names);
  if (const std::string known = key_of_other_programs(key); !known.empty() && elsewhere.empty())
    hint = str("; here it is ", known);
  else if (!elsewhere.empty())
    hint = str("; it belongs to [", elsewhere, "]");
  throw ConfigError(str(where, where.empty() ? "[" : ": [", section, "] unknown key '", key, "'", hint));
}

void Draft::refuse_baselines() const {
  std::vector<std::string> modes;
  for (const BaselineRow& row : baselines()) modes.emplace_back(row.mode);
  if (!baseline_.empty() && !model_ && find_baseline(config.run.mode) == nullptr)
    throw ConfigError(str(baseline_, ": a baseline's file; expected --mode ", listed(modes),
                          ", or a file with [EbmModel], such as config/svhn_config.ini"));
}

void Draft::note_unused() {
  for (const auto& [id, given] : given_) {
    const std::string section = id.substr(0, id.find('.')), key = id.substr(id.find('.') + 1);
    // A file may serve several samplers; what is said for one run alone should have an effect.
    const bool used = is_read(section, config.run.mode) &&
                      (given.from_file || section != "POST_LANGEVIN" || tuning_ || config.posterior.uses(key));
    if (is_news(id) && !used) add_unique(unused_[section], given.spelling);
  }
  std::string list;
  for (const auto& [section, keys] : unused_) {
    list += (list.empty() ? "[" : "; [") + section + "]";
    if (keys.size() > kKeysNamed)
      list += str(" (", keys.size(), " keys)");
    else
      for (const auto& key : keys) list += " " + key;
  }
  if (!list.empty()) note("without effect here: " + list);
}

void Draft::fail(const std::string& id, const std::string& what) const {
  const auto field = std::find_if(fields_.begin(), fields_.end(), [&](const Field& f) { return f.id() == id; });
  const auto given = given_.find(id);
  if (given == given_.end())
    throw ConfigError(
        str("configuration: ", quoted_value(field->section, field->key.name, print(field->slot)), ": ", what));
  if (!given->second.from_file) throw ConfigError(str(given->second.where, ": ", what));
  throw ConfigError(str(given->second.where, ": ",
                        quoted_value(field->section, given->second.spelling, given->second.text), ": ", what));
}

bool Draft::is_news(const std::string& id) const {
  const auto found = given_.find(id);
  return found != given_.end() && !(found->second.from_file && resolved);
}

std::string Draft::given(const std::string& id) const {
  const auto found = given_.find(id);
  if (found == given_.end()) return {};
  if (!found->second.from_file) return found->second.where;
  const std::string section = id.substr(0, id.find('.'));
  return str(found->second.where, ": ", quoted_value(section, found->second.spelling, found->second.text));
}

}  // namespace kaem::config
