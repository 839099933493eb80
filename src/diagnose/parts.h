#pragma once

// The rows of the table, each in its own file.

#include "kaem/diagnose/diagnose.h"

namespace kaem::diagnose {

Part prior_part();
Part pictures_part();
Part chains_part();
Part gradients_part();

/// Why there is no posterior to draw from. Empty: there is one.
std::string needs_posterior(Diagnosis& diagnosis);

/// Why there are no samplers and criteria of KAEM's. Empty: there are.
std::string needs_sampler(Diagnosis& diagnosis);

/// A baseline's latents have no energies, and its updates are its own.
bool is_baseline(Diagnosis& diagnosis);

}  // namespace kaem::diagnose
