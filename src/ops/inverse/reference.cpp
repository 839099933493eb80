#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include "kaem/ops/ops.h"

namespace kaem::ops::reference {
namespace {

using at::Tensor;

/// Largest index i in [0, cells) with values[offset + i] <= x, by bisection: [S,C].
Tensor find_cell(const Tensor& x, const Tensor& values, const Tensor& offset, const Tensor& cells) {
  Tensor low = at::zeros_like(x, x.options().dtype(at::kLong)), high = cells.expand_as(low);
  for (int64_t span = cells.max().item<int64_t>(); span > 0; span /= 2) {
    const Tensor middle = at::floor_divide(low + high, 2);
    const Tensor below = values.take(offset + middle) <= x;
    low = at::where(at::logical_and(below, middle > low), middle, low);
    high = at::where(below, high, middle);
  }
  return at::minimum(low, cells - 1);
}

/// log1p(t (e^d - 1))/d, the inverse of the distribution function of a log-linear density on [0,1] of slope d.
Tensor invert_in_cell(const Tensor& t, const Tensor& d) {
  const Tensor down = -d.abs(), mirrored = at::where(d > 0, 1 - t, t);
  const Tensor flat = down > -1e-6;
  const Tensor safe = at::where(flat, at::full({}, -1.0, d.options()), down);
  const Tensor y = at::where(flat, mirrored, (mirrored * safe.expm1()).log1p() / safe).clamp(0, 1);
  return at::where(d > 0, 1 - y, y);
}

Tensor distribution_in_cell(const Tensor& y, const Tensor& d) {
  const Tensor down = -d.abs(), mirrored = at::where(d > 0, 1 - y, y);
  const Tensor flat = down > -1e-6;
  const Tensor safe = at::where(flat, at::full({}, -1.0, d.options()), down);
  const Tensor t = at::where(flat, mirrored, (safe * mirrored).expm1() / safe.expm1());
  return at::where(d > 0, 1 - t, t);
}

}  // namespace

Tensor inverse_cdf(const Tensor& u, const InverseTable& table) {
  const c10::AutoGradMode no_grad(false);
  const Tensor cell = find_cell(u, table.cdf, table.cdf_offset, table.cells);
  const Tensor low = table.cdf.take(table.cdf_offset + cell), high = table.cdf.take(table.cdf_offset + cell + 1);
  const Tensor t = ((u - low) / (high - low).clamp_min(1e-300)).clamp(0, 1);
  const Tensor y = invert_in_cell(t, table.slope.take(table.slope_offset + cell));
  const Tensor start = table.edges.take(table.edge_offset + cell), end = table.edges.take(table.edge_offset + cell + 1);
  return start + y * (end - start);
}

Tensor forward_cdf(const Tensor& z, const InverseTable& table) {
  const c10::AutoGradMode no_grad(false);
  const Tensor cell = find_cell(z, table.edges, table.edge_offset, table.cells);
  const Tensor start = table.edges.take(table.edge_offset + cell), end = table.edges.take(table.edge_offset + cell + 1);
  const Tensor y = ((z - start) / (end - start)).clamp(0, 1);
  const Tensor t = distribution_in_cell(y, table.slope.take(table.slope_offset + cell));
  const Tensor low = table.cdf.take(table.cdf_offset + cell), high = table.cdf.take(table.cdf_offset + cell + 1);
  return low + t * (high - low);
}

}  // namespace kaem::ops::reference
