#include "kaem/kan/norm.h"

#include <ATen/ATen.h>

namespace kaem {
namespace {

using at::Tensor;

constexpr double kNormEps = 1e-5;

/// The values before scale and shift, and 1/σ: h [S,I] -> [S,I], [S,1].
std::pair<Tensor, Tensor> standardise(const Tensor& h) {
  const Tensor centred = h - h.mean(1, true);
  const Tensor inverse_scale = (centred.square().mean(1, true) + kNormEps).rsqrt();
  return {centred * inverse_scale, inverse_scale};
}

}  // namespace

Tensor layer_norm(const Tensor& h, const Tensor& scale, const Tensor& shift) {
  return standardise(h).first * scale + shift;
}

Tensor layer_norm_pullback(const Tensor& h, const Tensor& scale, const Tensor& grad) {
  const auto [standard, inverse_scale] = standardise(h);
  const Tensor g = grad * scale;
  return inverse_scale * (g - g.mean(1, true) - standard * (g * standard).mean(1, true));
}

}  // namespace kaem
