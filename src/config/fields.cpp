#include "config/fields.h"

#include <algorithm>
#include <array>

#include "kaem/baseline/baselines.h"
#include "kaem/config/visit.h"

namespace kaem::config {
namespace {

struct Collector {
  std::vector<Field> fields;
  std::string_view name, help;

  void section(std::string_view section_name, std::string_view section_help) {
    name = section_name, help = section_help;
  }
  template <class T>
  void operator()(Key key, T& field) {
    fields.push_back({name, help, std::move(key), &field});
  }
};

}  // namespace

bool Field::spelt(std::string_view name) const {
  return name == key.name || std::find(key.aliases.begin(), key.aliases.end(), name) != key.aliases.end();
}

std::vector<Field> fields_of(Config& config) {
  Collector collector;
  Config::visit(config, collector);
  return std::move(collector.fields);
}

bool is_read(std::string_view section, std::string_view mode) {
  constexpr auto kOfAll = std::to_array<std::string_view>({"TRAINING", "OPTIMIZER", "LR_SCHEDULE", "DATA"});
  const auto has = [&](const auto& sections) {
    return std::find(sections.begin(), sections.end(), section) != sections.end();
  };
  if (const BaselineRow* row = find_baseline(mode)) return section == row->section || has(row->shares) || has(kOfAll);
  const auto& rows = baselines();
  return std::none_of(rows.begin(), rows.end(), [&](const BaselineRow& row) { return row.section == section; });
}

std::vector<Field> fields_of(TuningOptions& options) {
  Collector collector;
  collector.section("TUNING", "How `kaem tune` searches; other commands ignore it.");
  TuningOptions::visit(options, collector);
  return std::move(collector.fields);
}

}  // namespace kaem::config

std::vector<std::string> kaem::run_modes() {
  std::vector<std::string> names = mode_names();
  for (const BaselineRow& row : baselines()) names.emplace_back(row.mode);
  return names;
}
