#include <ATen/ATen.h>

#include "kaem/ops/density.h"

namespace kaem::ops::reference {

using at::Tensor;

Tensor mixture_score(const Tensor& z, const Tensor& knots, const Tensor& tau, const Tensor& weights,
                     const Tensor& constant, const BasisSpec& spec) {
  const Tensor each = z.unsqueeze(-1).expand({z.size(0), z.size(1), weights.size(0)});
  const Tensor energy = reference::edge_values(each, knots, tau, weights, spec, 0);
  return ((energy + constant).softmax(2) * reference::edge_values(each, knots, tau, weights, spec, 1)).sum(2);
}

std::pair<Tensor, Tensor> output_error(const Tensor& x, const Tensor& generated, double steepness,
                                       const Tensor& scale) {
  const Tensor xhat = output_of(generated, steepness), difference = x.unsqueeze(1) - xhat;
  const Tensor pull = steepness == 0 ? difference : difference * (xhat * (1 - xhat) * steepness);
  return {difference.square().sum(-1), pull * scale};
}

}  // namespace kaem::ops::reference
