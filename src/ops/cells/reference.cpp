#include <ATen/ATen.h>

#include "kaem/ops/ops.h"

namespace kaem::ops::reference {
namespace {

using at::Tensor;

/// (e^d - 1)/d for d <= 0; the series also keeps autograd's derivative exact near 0.
Tensor phi1(const Tensor& d) {
  const Tensor small = d > -0.1;
  const Tensor near = at::where(small, d, at::zeros({}, d.options()));
  const Tensor far = at::where(small, at::full({}, -1.0, d.options()), d);
  Tensor series = at::ones_like(d);
  for (int n = 11; n >= 2; --n) series = 1 + near / n * series;
  return at::where(small, series, far.expm1() / far);
}

/// ∫ of the exponential of a line from l to r over a width w.
Tensor log_linear_integral(const Tensor& l, const Tensor& r, const Tensor& w) {
  return w * at::maximum(l, r).exp() * phi1(-(l - r).abs());
}

}  // namespace

CellMasses cell_masses(const Tensor& log_density, const Tensor& widths, bool split_edges) {
  const int64_t components = log_density.size(0), cells = widths.size(1);
  const Tensor w = widths.repeat_interleave(components / widths.size(0), 0);
  const Tensor top = std::get<0>(log_density.detach().max(1, true));
  // e^-1000 is zero in both types; the floor keeps nodes of density zero from making NaNs.
  const Tensor relative = (log_density - top).clamp_min(-1000);
  Tensor left, middle, right;
  if (split_edges) {
    const Tensor nodes = relative.reshape({components, cells, 3});
    left = nodes.select(2, 0), middle = nodes.select(2, 1), right = nodes.select(2, 2);
  } else {
    left = relative.slice(1, 0, 2 * cells - 1, 2), middle = relative.slice(1, 1, 2 * cells, 2);
    right = relative.slice(1, 2, 2 * cells + 1, 2);
  }
  const Tensor whole = log_linear_integral(left, right, w);
  const Tensor halves = log_linear_integral(left, middle, w / 2) + log_linear_integral(middle, right, w / 2);
  const Tensor mass = at::maximum((4 * halves - whole) / 3, halves / 2);
  const Tensor total = mass.sum(1, false, at::kDouble);
  const Tensor gap = (halves - whole).abs();
  // What the extrapolation leaves of a cell's mass where the density is steep: a share d²/180 of the gap (2/3 at most).
  const Tensor steep = ((right - left).square() / 180).clamp_max(2.0 / 3);
  const Tensor error =
      at::maximum(0.128 * std::get<0>(gap.max(1)).to(at::kDouble), 3 * (steep * gap).sum(1, false, at::kDouble)) /
      total;
  const Tensor running = mass.detach().to(at::kDouble).cumsum(1);
  const Tensor cdf = at::cat({at::zeros_like(running.slice(1, 0, 1)), running / running.slice(1, -1)}, 1);
  const auto dtype = log_density.scalar_type();
  return {(total.log() + top.squeeze(1)).to(dtype), error.detach().to(dtype), cdf.to(dtype), (right - left).detach()};
}

}  // namespace kaem::ops::reference
