#include "ops/density/op.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <utility>

#include "kaem/ops/density.h"
#include "ops/checks.h"

namespace kaem::ops {

TORCH_LIBRARY_FRAGMENT(kaem, m) {
  raw::mixture_score.define(m);
  raw::output_error.define(m);
}

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
  for (const auto& [name, t] : {std::pair("knots", knots), {"tau", tau}, {"weights", weights}, {"constant", constant}})
    check_same_kind("mixture_score", name, t, z);
  const c10::AutoGradMode no_grad(false);
  if (!fused(z)) return reference::mixture_score(z, knots, tau, weights, constant, spec);
  return raw::mixture_score(z, knots, tau, weights, constant, numbers_of(spec));
}

std::pair<Tensor, Tensor> output_error(const Tensor& x, const Tensor& generated, double steepness,
                                       const Tensor& scale) {
  TORCH_CHECK_VALUE(x.dim() == 2 && generated.dim() == 4 && generated.size(1) == x.size(0) &&
                        generated.size(3) == x.size(1) && scale.dim() == 0,
                    "output_error: expected x [B,D], generated [T,B,N,D] and scale [], got ", x.sizes(), ", ",
                    generated.sizes(), ", ", scale.sizes());
  const c10::AutoGradMode no_grad(false);
  if (!fused(generated) || !fused(x)) return reference::output_error(x, generated, steepness, scale);
  auto [distance, gradient] = raw::output_error(x, generated, steepness, scale);
  return {distance, gradient};
}

}  // namespace kaem::ops
