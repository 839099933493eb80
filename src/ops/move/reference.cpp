#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <cmath>

#include "kaem/ops/ops.h"

namespace kaem::ops::reference {

using at::Tensor;

Tensor langevin_move(const Tensor& z, const Tensor& prior, const Tensor& likelihood, const Tensor& noise,
                     const Tensor& temperature, double step, double lower, double upper) {
  const c10::AutoGradMode no_grad(false);
  Tensor drift = prior;
  if (likelihood.defined()) {
    std::vector<int64_t> shape(static_cast<size_t>(z.dim()), 1);
    shape[0] = -1;
    const Tensor t = temperature.to(z.options()).reshape(shape);
    drift = drift + at::where(t == 0, at::zeros({}, z.options()), t * likelihood);
  }
  const Tensor moved = z + (step * drift + std::sqrt(2 * step) * noise.to(z.scalar_type()));
  if (!std::isfinite(lower)) return moved;
  const double width = upper - lower;
  const Tensor cell = ((moved - lower) / width).floor(), offset = (moved - lower) - cell * width;
  const Tensor folded = lower + at::where(cell.remainder(2) == 1, width - offset, offset);
  return at::where((moved >= lower).logical_and(moved <= upper), moved, folded.clamp(lower, upper));
}

}  // namespace kaem::ops::reference
