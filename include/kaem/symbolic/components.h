#pragma once

#include <string>
#include <utility>
#include <vector>

#include "kaem/prior/curves.h"

/// What a trained prior says: closed forms of its energies, and which of them matter. `kaem symbolic`, `kaem prune`.
namespace kaem::symbolic {

/// The curves in float64, with the reference as a density: what a prior calls π0 need not have an integral of 1 there.
PriorCurves with_densities(const PriorCurves& curves);

/// Entropy of each component and its divergence KL(p_qp|π0) from the reference, nats: both [Q,P], float64.
struct Summary {
  at::Tensor entropy, divergence;
};

/// By the trapezoidal rule on `with_densities`' points.
Summary summarise(const PriorCurves& curves);

/// The `count` components q,p that differ most from the reference; with `one_each` the first of each q alone, as those
/// of one q of a mixture are much alike.
std::vector<std::pair<int64_t, int64_t>> most_different(const Summary& summary, int64_t count, bool one_each);

/// UsageError (naming `run`) of a prior without energies of single coordinates: a deep one, a Gaussian.
void check_energies(Prior& prior, const std::string& run);

/// `with_densities` of a prior that has them; else UsageError.
PriorCurves curves_of(Prior& prior, int64_t points, const std::string& run);

}  // namespace kaem::symbolic
