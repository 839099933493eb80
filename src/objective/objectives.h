#pragma once

#include "kaem/objective/objective.h"

namespace kaem {

std::unique_ptr<Objective> make_maximum_likelihood(const ObjectiveOptions& options);
std::unique_ptr<Objective> make_thermodynamic(const ObjectiveOptions& options);
std::unique_ptr<Objective> make_variational(const ObjectiveOptions& options);

}  // namespace kaem
