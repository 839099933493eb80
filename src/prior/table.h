#pragma once

#include <ATen/core/Tensor.h>

#include "kaem/kan/layer.h"
#include "prior/reference_density.h"

namespace kaem {

/// What one table per component serves: the normaliser (with its gradient) and the inverse transform.
struct PriorTable {
  at::Tensor log_normaliser;  ///< [P,Q]; carries a graph if gradients were enabled
  ops::InverseTable inverse;  ///< components in the order of z [Q,P], q outermost
  int64_t refined = 0;        ///< components with more cells than the least number
  double error = 0;           ///< greatest estimate of the distribution's error that is left
};

/// Builds the table: at least `least_cells` cells a component, doubled up to 64 times where the error estimate asks for
/// it. docs/mathematics.md section 2, "One table per component".
PriorTable build_table(const KanLayerImpl& layer, const ReferenceDensity& reference, int64_t least_cells);

}  // namespace kaem
