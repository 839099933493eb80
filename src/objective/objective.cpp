#include "kaem/objective/objective.h"

#include <array>

#include "kaem/core/table.h"
#include "objective/objectives.h"

namespace kaem {
namespace {

using MakeObjective = std::unique_ptr<Objective> (*)(const ObjectiveOptions&);
constexpr auto kObjectives = std::to_array<Named<MakeObjective>>({{"importance", make_maximum_likelihood},
                                                                  {"langevin", make_maximum_likelihood},
                                                                  {"thermodynamic", make_thermodynamic},
                                                                  {"variational", make_variational}});

}  // namespace

std::unique_ptr<Objective> make_objective(const ObjectiveOptions& options) {
  return find(kObjectives, "objective", options.kind)(options);
}

}  // namespace kaem
