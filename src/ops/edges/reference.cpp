#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include "kaem/ops/ops.h"
#include "ops/edges/edges.h"

namespace kaem::ops::reference {
namespace {

using at::Tensor;

/// Calls `piece` on slices of z along S that keep the temporaries below about 128 MB, and joins the results.
template <class Piece>
Tensor in_slices(const Tensor& z, int64_t features, Piece piece) {
  const int64_t row = z.size(1) * z.size(2) * features;
  const int64_t rows = std::max<int64_t>(1, (int64_t{1} << 22) / std::max<int64_t>(1, row));
  if (z.size(0) <= rows) return piece(z);
  std::vector<Tensor> parts;
  for (const Tensor& part : z.split(rows)) parts.push_back(piece(part));
  return at::cat(parts);
}

Tensor edge_features(const Tensor& z, const Tensor& knots, const Tensor& tau, const BasisSpec& spec, int64_t order) {
  return of_edges(z, knots, [&](const Tensor& x) {
    return order == 0 ? reference::basis(x, knots, tau, spec) : reference::basis_derivative(x, knots, tau, spec);
  });
}

}  // namespace

Tensor edge_sum(const Tensor& z, const Tensor& knots, const Tensor& tau, const Tensor& weights, const BasisSpec& spec) {
  return in_slices(z, weights.size(1), [&](const Tensor& part) {
    return at::einsum("sqpf,pfq->s", {edge_features(part, knots, tau, spec, 0), weights});
  });
}

Tensor edge_values(const Tensor& z, const Tensor& knots, const Tensor& tau, const Tensor& weights,
                   const BasisSpec& spec, int64_t order) {
  const c10::AutoGradMode no_grad(false);
  return in_slices(z, weights.size(1), [&](const Tensor& part) {
    return at::einsum("sqpf,pfq->sqp", {edge_features(part, knots, tau, spec, order), weights});
  });
}

}  // namespace kaem::ops::reference
