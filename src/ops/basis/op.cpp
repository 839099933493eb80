#include "ops/basis/op.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <array>

#include "ops/autograd.h"
#include "ops/checks.h"

namespace kaem::ops {
namespace {

struct Basis : Function<Basis> {
  static Tensor forward(AutogradContext* ctx, const Tensor& x, const Tensor& tau, const Tensor& knots,
                        const Optional& cell, const Spec& spec) {
    save_spec(ctx, spec);
    ctx->save_for_backward({x, tau, knots, cell.value_or(Tensor())});
    return raw::basis_forward(x, cell, knots, tau, spec);
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    refuse_second_order("basis");
    const auto saved = ctx->get_saved_variables();
    auto [x, tau] = raw::basis_backward(grads[0], saved[0], optional(saved[3]), saved[2], saved[1], saved_spec(ctx),
                                        {ctx->needs_input_grad(0), ctx->needs_input_grad(1)});
    return {x, tau, {}, {}, {}};
  }
};

}  // namespace

TORCH_LIBRARY_FRAGMENT(kaem, m) {
  raw::basis_forward.define(m);
  raw::basis_derivative.define(m);
  raw::basis_backward.define(m);
}

int64_t grid_size_of(const BasisSpec& spec, const Tensor& knots) {
  return is_wavelet(spec.kind) ? knots.size(1) / 2 : knots.size(1) - 1;
}

int64_t feature_count(const BasisSpec& spec, int64_t grid_size) {
  const int64_t extra = spec.activation == Activation::kNone ? 0 : 1;
  switch (spec.kind) {
    case BasisKind::kBSpline:
      return grid_size + spec.degree + extra;
    case BasisKind::kFft:
      return 2 * grid_size + 1 + extra;
    case BasisKind::kCheby:
      return spec.degree + 1 + extra;
    default:
      return grid_size + (is_wavelet(spec.kind) ? 0 : 1) + extra;
  }
}

Tensor basis(const Tensor& x, const Tensor& knots, const Tensor& tau, const BasisSpec& spec, const Tensor& cell) {
  TORCH_CHECK_VALUE(x.dim() == 2, "basis: expected x [N, I], got ", x.sizes());
  check_basis("basis", x, x.size(1), knots, tau, spec);
  if (cell.defined()) {
    TORCH_CHECK_VALUE(cell.sizes() == x.sizes(), "basis: expected cell ", x.sizes(), ", got ", cell.sizes());
    check_same_kind("basis", "cell", cell, x);
  }
  if (!fused(x) || needs_reference(knots, tau, spec)) return reference::basis(x, knots, tau, spec, cell);
  if (wants({x, tau})) return Basis::apply(x, tau, knots, optional(cell), numbers_of(spec));
  return raw::basis_forward(x, optional(cell), knots, tau, numbers_of(spec));
}

Tensor basis_derivative(const Tensor& x, const Tensor& knots, const Tensor& tau, const BasisSpec& spec) {
  TORCH_CHECK_VALUE(x.dim() == 2, "basis_derivative: expected x [N, I], got ", x.sizes());
  check_basis("basis_derivative", x, x.size(1), knots, tau, spec);
  if (!fused(x)) return reference::basis_derivative(x, knots, tau, spec);
  const c10::AutoGradMode no_grad(false);
  return raw::basis_derivative(x, knots, tau, numbers_of(spec));
}

Tensor basis_pullback(const Tensor& grad, const Tensor& x, const Tensor& knots, const Tensor& tau,
                      const BasisSpec& spec) {
  TORCH_CHECK_VALUE(x.dim() == 2, "basis_pullback: expected x [N, I], got ", x.sizes());
  check_basis("basis_pullback", x, x.size(1), knots, tau, spec);
  const std::array<int64_t, 3> want = {x.size(0), x.size(1), feature_count(spec, grid_size_of(spec, knots))};
  TORCH_CHECK_VALUE(grad.sizes() == at::IntArrayRef(want), "basis_pullback: expected grad ", at::IntArrayRef(want),
                    ", got ", grad.sizes());
  check_same_kind("basis_pullback", "grad", grad, x);
  const c10::AutoGradMode no_grad(false);
  if (!fused(x)) return (grad * reference::basis_derivative(x, knots, tau, spec)).sum(-1);
  return std::get<0>(raw::basis_backward(grad, x, std::nullopt, knots, tau, numbers_of(spec), {true, false}));
}

}  // namespace kaem::ops
