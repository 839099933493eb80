#include <algorithm>
#include <map>
#include <sstream>

#include "config/fields.h"
#include "config/reserved.h"
#include "kaem/core/str.h"
#include "kaem/core/table.h"

namespace kaem {
namespace {

using config::Field;
using config::Rule;

std::string default_of(const Field& field) {
  if (!field.key.absent.empty()) return std::string(field.key.absent);
  const std::string value = config::print(field.slot);
  return value.empty() ? "(empty)" : value;
}

std::string joined(const std::vector<std::string>& names, const char* between) {
  std::string text;
  for (const auto& name : names) text += (text.empty() ? "" : between) + name;
  return text;
}

/// Calls `section(field)` before the first field of each section, and `row(field)` for every field.
template <class Section, class Row>
void walk(const std::vector<Field>& fields, Section&& section, Row&& row) {
  std::string_view current;
  for (const auto& field : fields) {
    if (field.section != current) section(field);
    current = field.section;
    row(field);
  }
}

/// The key's name, or its first alias without other letters.
std::string ascii_name(const Field& field) {
  const auto is_ascii = [](std::string_view name) {
    return std::all_of(name.begin(), name.end(), [](char c) { return static_cast<unsigned char>(c) < 128; });
  };
  if (is_ascii(field.key.name)) return std::string(field.key.name);
  const auto alias = std::find_if(field.key.aliases.begin(), field.key.aliases.end(), is_ascii);
  return alias == field.key.aliases.end() ? std::string(field.key.name) : *alias;
}

/// What the key means, and what the reference does where it differs.
std::string meaning(const Key& key) {
  return key.reference.empty() ? std::string(key.help) : str(key.help, ". The reference: ", key.reference);
}

void write_sections(std::ostream& out, const std::vector<Field>& fields) {
  walk(
      fields,
      [&](const Field& f) {
        out << "\n## [" << f.section << "]\n\n"
            << f.section_help << "\n\n| key | default | takes | meaning |\n| --- | --- | --- | --- |\n";
      },
      [&](const Field& f) {
        out << "| `" << f.key.name << "`";
        for (const auto& alias : f.key.aliases) out << " `" << alias << "`";
        out << " | " << default_of(f) << " | " << config::wanted(f.key, f.slot) << " | " << meaning(f.key) << " |\n";
      });
}

void write_older_spellings(std::ostream& out) {
  out << "\n## Values that are replaced\n\n| section | key | value | becomes | why |\n| --- | --- | --- | --- | --- "
         "|\n";
  for (const auto& row : config::all_mapped())
    out << "| [" << row.section << "] | `" << row.key << "` | `" << row.from << "` | `" << row.to << "` | "
        << (row.note.empty() ? "another spelling" : row.note) << " |\n";
  for (const auto& row : config::all_renamed()) {
    if (row.when_true.empty()) {
      out << "| [" << row.section << "] | `" << row.key << "` | any | [" << row.new_section << "] `" << row.new_key
          << "` | older key |\n";
      continue;
    }
    out << "| [" << row.section << "] | `" << row.key << "` | `true` | `" << row.new_key << " = " << row.when_true
        << (row.when_false.empty() ? "` where ula is asked for | older key |\n" : "` | older key |\n");
    if (row.when_false.empty()) continue;
    out << "| [" << row.section << "] | `" << row.key << "` | `false` | `" << row.new_key << " = " << row.when_false
        << "` | older key |\n";
  }
}

/// The reserved keys that `keep` picks, a line for each section.
template <class Keep>
void write_reserved(std::ostream& out, Keep&& keep) {
  for (const auto& section : config::reserved_sections()) {
    std::vector<std::string> keys;
    for (const auto& row : config::all_reserved())
      if (row.section == section && keep(row.rule))
        keys.push_back(row.key == "*" ? "every key" : str("`", row.key, row.off.empty() ? "" : " = ", row.off, "`"));
    if (!keys.empty()) out << "- [" << section << "] " << joined(keys, ", ") << "\n";
  }
}

constexpr const char* kRanges = R"(
Further keys of this section are the searched ones, `SECTION.key = RANGE`:

| range | values |
| --- | --- |
| `uniform A B` | numbers between A and B |
| `log A B` | the same, evenly in the logarithm; A above 0 |
| `int A B` | whole numbers from A to B |
| `choice A B C` | these values |

A key that the file gives as NaN elsewhere is searched too. Where it has no range here, the reference's is taken:
`[OPTIMIZER] learning_rate = log 1e-5 1e-2`, `[LR_SCHEDULE] decay = uniform 0 0.6`, `[EbmModel] π_0 = choice ebm gaussian`,
`base_activation` of both models one of seven, `generator_variance` and `generator_noise = log 0.01 1`,
`[POST_LANGEVIN] ula_η = log 1e-3 0.1`. A section with neither ranges nor NaN searches all of these.
`sampler = bcap` is taken as random.
)";

constexpr const char* kPreamble =
    R"(# Configuration

A configuration is an INI file: `[SECTION]`, `key = value`, and comments behind `;` or `#`. Section names ignore case,
keys do not. Numbers are decimal and must be the whole value; lists are separated by commas; true and false are the only
truth values. Keys with Greek letters have an ASCII spelling beside them. A key that is not in these tables is an error.

`--set SECTION.key=value` goes before the file, and the file before the defaults below. The files for the data sets stand in
`config/`. Each run writes all keys with their final values to the `config.ini` of its folder, which can be given to
`--config` again; its first line is `; kaem config 1`.

This page is made by `kaem train --help-config=markdown`.
)";

}  // namespace

std::string to_ini(const Config& config) {
  Config copy = config;
  std::ostringstream out;
  out << "; kaem config 1\n";
  std::vector<Field> fields = config::fields_of(copy);
  std::erase_if(fields, [&](const Field& f) { return !config::is_read(f.section, config.run.mode); });
  walk(
      fields, [&](const Field& f) { out << "\n[" << f.section << "]\n"; },
      [&](const Field& f) { out << f.key.name << " = " << config::print(f.slot) << "\n"; });
  return out.str();
}

std::vector<std::pair<std::string, std::string>> ini_values(const std::string& ini) {
  std::vector<std::pair<std::string, std::string>> all;
  std::istringstream lines(ini);
  std::string section;
  for (std::string line; std::getline(lines, line);) {
    const size_t equals = line.find(" = ");
    if (line.starts_with('[')) section = line.substr(1, line.size() - 2);
    if (equals != std::string::npos && !line.starts_with(';'))
      all.emplace_back(str(section, ".", line.substr(0, equals)), line.substr(equals + 3));
  }
  return all;
}

std::vector<ValueChange> changed_values(const std::string& before, const std::string& now) {
  const auto values = ini_values(before);
  const std::map<std::string, std::string> old(values.begin(), values.end());
  std::vector<ValueChange> changed;
  for (const auto& [key, value] : ini_values(now))
    if (const auto found = old.find(key); found != old.end() && found->second != value)
      changed.push_back({key, found->second, value});
  return changed;
}

std::string configuration_markdown() {
  std::ostringstream out;
  out << kPreamble;
  Config defaults;
  write_sections(out, config::fields_of(defaults));
  TuningOptions tuning;
  write_sections(out, config::fields_of(tuning));
  out << kRanges;
  write_older_spellings(out);
  out << "\n## Features that are not built yet\n\nThese keys are accepted with the value shown, which leaves the "
         "feature off; any "
         "other value is an error.\n\n";
  write_reserved(out, [](Rule rule) { return rule == Rule::kOff; });
  out << "\n## Keys without effect\n\nThese keys are accepted, so that the reference's files load; one warning names "
         "those a file "
         "uses.\n\n";
  write_reserved(out,
                 [](Rule rule) { return rule == Rule::kUnused || rule == Rule::kObsolete || rule == Rule::kIgnored; });
  out << "\nFiles with [EBM_PRIOR], [MIX_PRIOR], [KAN_LIKELIHOOD], [MOE_LIKELIHOOD], [MALA] or [LSTM] are of an older "
         "format and "
         "are refused.\n";
  return out.str();
}

namespace {

/// What is known of the fields that `keep` picks.
template <class Keep>
std::vector<KeyHelp> help_of(Keep&& keep) {
  Config defaults;
  TuningOptions tuning;
  auto fields = config::fields_of(defaults);
  for (auto& field : config::fields_of(tuning)) fields.push_back(std::move(field));
  std::vector<KeyHelp> found;
  const auto example = [](const Field& f) {
    const std::string value = config::print(f.slot);
    return value.empty() ? value : shell_word(value);
  };
  for (const auto& f : fields)
    if (keep(f))
      found.push_back({std::string(f.section), std::string(f.key.name), ascii_name(f), joined(f.key.aliases, ", "),
                       meaning(f.key), config::wanted(f.key, f.slot), default_of(f), example(f)});
  return found;
}

}  // namespace

std::vector<KeyHelp> key_help(std::string_view word) {
  const size_t dot = word.find('.');
  return help_of([&](const Field& f) {
    const bool whole = dot != std::string_view::npos && same_name(word.substr(0, dot), f.section);
    return f.spelt(word) || (whole && f.spelt(word.substr(dot + 1)));
  });
}

std::vector<KeyHelp> section_help(std::string_view section) {
  if (section.starts_with('[') && section.ends_with(']')) section = section.substr(1, section.size() - 2);
  return help_of([&](const Field& f) { return same_name(section, f.section); });
}

std::vector<std::string> key_names() {
  Config defaults;
  std::vector<std::string> names;
  for (const auto& f : config::fields_of(defaults)) {
    names.push_back(ascii_name(f));
    names.push_back(str(f.section, ".", names.back()));
  }
  return names;
}

std::string configuration_help() {
  Config defaults;
  std::ostringstream out;
  out << "Keys of the configuration file, and of --set SECTION.key=value (default in parentheses):\n";
  walk(
      config::fields_of(defaults), [&](const Field& f) { out << "\n[" << f.section << "] " << f.section_help << "\n"; },
      [&](const Field& f) {
        out << "  " << f.key.name;
        if (!f.key.aliases.empty()) out << " (also " << joined(f.key.aliases, ", ") << ")";
        out << ": " << meaning(f.key) << "\n      " << config::wanted(f.key, f.slot) << " (" << default_of(f) << ")\n";
      });
  return out.str();
}

}  // namespace kaem
