// What chains ask of densities: argument checks, the plain-ATen reference, and the choice between them and the fused
// kernels.
#include "kaem/ops/density.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include "ops/raw_ops.h"

namespace kaem::ops {

using at::Tensor;

Tensor output_of(const Tensor& generated, double steepness) {
  if (steepness == 0) return generated;
  return at::sigmoid(steepness == 1 ? generated : generated * steepness);
}

Tensor mixture_score(const Tensor& z, const Tensor& knots, const Tensor& tau, const Tensor& weights,
                     const Tensor& constant, const BasisSpec& spec) {
  const int64_t p = weights.size(0), features = feature_count(spec, grid_size_of(spec, knots));
  TORCH_CHECK_VALUE(knots.size(0) == p || (is_wavelet(spec.kind) && knots.size(0) == p * z.size(1)),
                    "mixture_score: expected a row of knots for each of ", p, " inputs, got ", knots.sizes());
  TORCH_CHECK_VALUE(z.dim() == 2 && weights.sizes() == at::IntArrayRef({p, features, z.size(1)}),
                    "mixture_score: expected z [S,Q] and weights [", p, ",", features, ",Q], got ", z.sizes(), ", ",
                    weights.sizes());
  TORCH_CHECK_VALUE(constant.sizes() == at::IntArrayRef({z.size(1), p}), "mixture_score: expected constant [",
                    z.size(1), ",", p, "], got ", constant.sizes());
  const c10::AutoGradMode no_grad(false);
  return raw::mixture_score(z, knots, tau, weights, constant, static_cast<int64_t>(spec.kind), spec.degree,
                            static_cast<int64_t>(spec.activation));
}

std::pair<Tensor, Tensor> output_error(const Tensor& x, const Tensor& generated, double steepness,
                                       const Tensor& scale) {
  TORCH_CHECK_VALUE(x.dim() == 2 && generated.dim() == 4 && generated.size(1) == x.size(0) &&
                        generated.size(3) == x.size(1) && scale.dim() == 0,
                    "output_error: expected x [B,D], generated [T,B,N,D] and scale [], got ", x.sizes(), ", ",
                    generated.sizes(), ", ", scale.sizes());
  const c10::AutoGradMode no_grad(false);
  auto [distance, gradient] = raw::output_error(x, generated, steepness, scale);
  return {distance, gradient};
}

namespace reference {

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

}  // namespace reference

namespace raw::composite {

Tensor mixture_score(const Tensor& z, const Tensor& knots, const Tensor& tau, const Tensor& weights,
                     const Tensor& constant, int64_t kind, int64_t degree, int64_t activation) {
  return reference::mixture_score(z, knots, tau, weights, constant,
                                  {static_cast<BasisKind>(kind), degree, static_cast<Activation>(activation)});
}

std::tuple<Tensor, Tensor> output_error(const Tensor& x, const Tensor& generated, double steepness,
                                        const Tensor& scale) {
  return reference::output_error(x, generated, steepness, scale);
}

}  // namespace raw::composite

}  // namespace kaem::ops
