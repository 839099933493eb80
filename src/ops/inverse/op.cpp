#include "ops/inverse/op.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <array>

#include "ops/checks.h"

namespace kaem::ops {
namespace {

void check_table(const char* op, const char* name, const Tensor& x, const InverseTable& table) {
  TORCH_CHECK_VALUE(x.dim() == 2, op, ": expected ", name, " [S, C], got ", x.sizes());
  for (const auto* t : {&table.cells, &table.cdf_offset, &table.slope_offset, &table.edge_offset}) {
    TORCH_CHECK_VALUE(t->dim() == 1 && t->size(0) == x.size(1) && t->scalar_type() == at::kLong, op,
                      ": expected cells and offsets int64 [", x.size(1), "], got ", t->scalar_type(), " ", t->sizes());
  }
  check_same_kind(op, "cdf", table.cdf, x);
  check_same_kind(op, "slope", table.slope, x);
  check_same_kind(op, "edges", table.edges, x);
}

std::array<Tensor, 7> tensors_of(const InverseTable& t) {
  return {t.cells, t.cdf_offset, t.slope_offset, t.edge_offset, t.cdf, t.slope, t.edges};
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(kaem, m) {
  raw::inverse_cdf.define(m);
  raw::forward_cdf.define(m);
}

Tensor inverse_cdf(const Tensor& u, const InverseTable& t) {
  check_table("inverse_cdf", "u", u, t);
  if (!fused(u)) return reference::inverse_cdf(u, t);
  const c10::AutoGradMode no_grad(false);
  return raw::inverse_cdf(u, tensors_of(t));
}

Tensor forward_cdf(const Tensor& z, const InverseTable& t) {
  check_table("forward_cdf", "z", z, t);
  if (!fused(z)) return reference::forward_cdf(z, t);
  const c10::AutoGradMode no_grad(false);
  return raw::forward_cdf(z, tensors_of(t));
}

}  // namespace kaem::ops
