#pragma once

#include "kaem/kan/options.h"
#include "kaem/ops/ops.h"

namespace kaem {

/// Kind, degree and activation of the options; throws ConfigError for unknown names.
ops::BasisSpec make_basis_spec(const BasisOptions& options);

/// True if the knots of this basis can be moved by a grid update (B-spline, RBF, RSWAF).
bool has_movable_knots(ops::BasisKind kind);

/// True if the basis has a tau to be trained: a bandwidth, or the Morlet's frequency.
bool has_bandwidth(ops::BasisKind kind);

}  // namespace kaem
