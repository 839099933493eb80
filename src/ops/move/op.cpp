#include "ops/move/op.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include "ops/checks.h"

namespace kaem::ops {

TORCH_LIBRARY_FRAGMENT(kaem, m) { raw::langevin_move.define(m); }

Tensor langevin_move(const Tensor& z, const Tensor& prior, const Tensor& likelihood, const Tensor& noise,
                     const Tensor& temperature, double step, double lower, double upper) {
  TORCH_CHECK_VALUE(z.dim() >= 2 && prior.sizes() == z.sizes() && noise.sizes() == z.sizes(),
                    "langevin_move: expected z, prior and noise of one shape [T,...,L], got ", z.sizes(), ", ",
                    prior.sizes(), ", ", noise.sizes());
  TORCH_CHECK_VALUE(!likelihood.defined() || likelihood.sizes() == z.sizes(), "langevin_move: expected likelihood ",
                    z.sizes(), ", got ", likelihood.sizes());
  TORCH_CHECK_VALUE(temperature.dim() == 1 && (temperature.size(0) == z.size(0) || temperature.size(0) == 1),
                    "langevin_move: expected temperature [", z.size(0), "], got ", temperature.sizes());
  const c10::AutoGradMode no_grad(false);
  const bool same =
      prior.scalar_type() == at::kFloat && (!likelihood.defined() || likelihood.scalar_type() == at::kFloat);
  if (!fused(z) || !same) return reference::langevin_move(z, prior, likelihood, noise, temperature, step, lower, upper);
  Optional gradient;
  int64_t repeat = 1;
  if (likelihood.defined()) {
    const bool repeats = likelihood.size(-1) > 1 && likelihood.stride(-1) == 0;
    if (repeats) repeat = likelihood.size(-1);
    gradient = (repeats ? likelihood.select(-1, 0) : likelihood).contiguous();
  }
  return raw::langevin_move(z.contiguous(), prior.contiguous(), gradient, repeat, noise.to(z.options()).contiguous(),
                            temperature.to(z.options()).contiguous(), step, lower, upper);
}

}  // namespace kaem::ops
