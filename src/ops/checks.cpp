#include "ops/checks.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <array>

#include "kaem/ops/gpu.h"
#include "ops/math.h"

namespace kaem::ops {

using at::Tensor;

bool fused(const Tensor& t) {
  return t.scalar_type() == at::kFloat && (t.is_cpu() || (t.is_cuda() && has_gpu_services()));
}

bool tracked(const Tensor& t) { return c10::GradMode::is_enabled() && t.requires_grad(); }

bool needs_reference(const Tensor& knots, const Tensor& tau, const BasisSpec& spec) {
  return tracked(knots) || (spec.kind == BasisKind::kMorlet && tracked(tau));
}

void check_same_kind(const char* op, const char* name, const Tensor& t, const Tensor& like) {
  TORCH_CHECK_VALUE(t.scalar_type() == like.scalar_type() && t.device() == like.device(), op, ": expected ", name,
                    " of type ", like.scalar_type(), " on ", like.device(), ", got ", t.scalar_type(), " on ",
                    t.device());
}

void check_basis(const char* op, const Tensor& x, int64_t inputs, const Tensor& knots, const Tensor& tau,
                 const BasisSpec& spec, int64_t edges) {
  const bool wavelet = is_wavelet(spec.kind);
  const bool rows = knots.dim() == 2 && (knots.size(0) == inputs || (wavelet && knots.size(0) == edges));
  TORCH_CHECK_VALUE(rows && knots.size(1) >= 2 && (!wavelet || knots.size(1) % 2 == 0), op, ": expected knots [",
                    inputs, wavelet ? ", 2G], got " : ", G+1], got ", knots.sizes());
  TORCH_CHECK_VALUE(tau.numel() == 1, op, ": expected tau [], got ", tau.sizes());
  TORCH_CHECK_VALUE(spec.degree >= 0 && spec.degree <= math::kMaxDegree, op, ": expected a degree of 0 to ",
                    math::kMaxDegree, ", got ", spec.degree);
  check_same_kind(op, "knots", knots, x);
  check_same_kind(op, "tau", tau, x);
}

void check_fold(const char* op, const Tensor& base_weight, const Tensor& spline_weight, const Tensor& coefficients) {
  TORCH_CHECK_VALUE(coefficients.dim() == 3, op, ": expected coefficients [I, G', O], got ", coefficients.sizes());
  const std::array<int64_t, 2> want = {coefficients.size(0), coefficients.size(2)};
  TORCH_CHECK_VALUE(spline_weight.sizes() == at::IntArrayRef(want), op, ": expected spline_weight ",
                    at::IntArrayRef(want), ", got ", spline_weight.sizes());
  check_same_kind(op, "spline_weight", spline_weight, coefficients);
  if (!base_weight.defined()) return;
  TORCH_CHECK_VALUE(base_weight.sizes() == at::IntArrayRef(want), op, ": expected base_weight ", at::IntArrayRef(want),
                    ", got ", base_weight.sizes());
  check_same_kind(op, "base_weight", base_weight, coefficients);
}

}  // namespace kaem::ops
