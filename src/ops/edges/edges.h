#pragma once

#include <ATen/ATen.h>

namespace kaem::ops {

/// Features of edges, z [S,Q,P] -> [S,Q,P,F], by `features` of inputs, x [N,I] -> [N,I,F]: inputs are P, or, where
/// every edge has a row of knots, the P·Q edges.
template <class Features>
at::Tensor of_edges(const at::Tensor& z, const at::Tensor& knots, Features features) {
  const int64_t s = z.size(0), q = z.size(1), p = z.size(2);
  if (knots.size(0) == p) return features(z.reshape({-1, p})).reshape({s, q, p, -1});
  return features(z.transpose(1, 2).reshape({s, p * q})).reshape({s, p, q, -1}).transpose(1, 2);
}

}  // namespace kaem::ops
