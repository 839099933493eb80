#include "kaem/objective/criteria.h"

#include <array>

#include "kaem/core/table.h"
#include "kaem/objective/objective.h"

namespace kaem {

std::unique_ptr<Objective> make_maximum_likelihood(const ObjectiveOptions& options);
std::unique_ptr<Objective> make_thermodynamic(const ObjectiveOptions& options);
std::unique_ptr<Objective> make_variational(const ObjectiveOptions& options);

namespace {

constexpr auto kCriteria = std::to_array<CriterionRow>({
    {"maximum_likelihood", Needs::kWeighted, make_maximum_likelihood, "vanilla"},
    {"thermodynamic", Needs::kTempered, make_thermodynamic, "thermo"},
    {"variational", Needs::kEncoded, make_variational, "variational"},
});

}  // namespace

std::span<const CriterionRow> criteria() { return kCriteria; }

const CriterionRow& find_criterion(std::string_view name) {
  for (const auto& row : kCriteria)
    if (same_name(row.name, name)) return row;
  throw ConfigError(unknown_name_message("criterion", name, criterion_names()));
}

const CriterionRow& criterion_of_mode(std::string_view mode) {
  for (const auto& row : kCriteria)
    if (same_name(row.mode, mode)) return row;
  throw ConfigError(unknown_name_message("mode", mode, mode_names()));
}

std::vector<std::string> criterion_names() { return names_of(kCriteria); }

std::vector<std::string> mode_names() {
  std::vector<std::string> names;
  for (const auto& row : kCriteria)
    if (!row.mode.empty()) names.emplace_back(row.mode);
  return names;
}

std::unique_ptr<Objective> make_objective(const ObjectiveOptions& options) {
  return find_criterion(options.criterion).make(options);
}

}  // namespace kaem
