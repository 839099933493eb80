#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

/// The training criteria by name, without LibTorch. docs/adding-a-variant.md.
namespace kaem {

struct Objective;
struct ObjectiveOptions;

/// Which samples a criterion is made of (kaem/posterior/posterior.h).
enum class Needs { kWeighted, kTempered, kEncoded };

struct CriterionRow {
  std::string_view name;
  Needs needs;
  std::unique_ptr<Objective> (*make)(const ObjectiveOptions& options);
  std::string_view mode = {};  ///< [TRAINING] mode whose criterion it is where none is named; empty: of none
};

std::span<const CriterionRow> criteria();

/// ConfigError for an unknown name.
const CriterionRow& find_criterion(std::string_view name);

/// The criterion of a mode.
const CriterionRow& criterion_of_mode(std::string_view mode);

std::vector<std::string> criterion_names();

/// What [TRAINING] mode may be: the modes of the criteria that have one.
std::vector<std::string> mode_names();

}  // namespace kaem
