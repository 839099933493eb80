#include "ops/fold/op.h"

#include <ATen/ATen.h>

#include "ops/autograd.h"
#include "ops/checks.h"

namespace kaem::ops {
namespace {

struct Fold : Function<Fold> {
  // An absent optional has no place among the inputs that need_input_grad counts, so it comes last.
  static Tensor forward(AutogradContext* ctx, const Tensor& spline_weight, const Tensor& coefficients,
                        const Optional& base_weight) {
    ctx->save_for_backward({spline_weight, coefficients});
    ctx->saved_data["base"] = base_weight.has_value();
    return raw::fold_forward(base_weight, spline_weight, coefficients);
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    refuse_second_order("fold_weights");
    const auto saved = ctx->get_saved_variables();
    const bool base_wanted = ctx->saved_data["base"].toBool() && ctx->needs_input_grad(2);
    const Tensor base = space_like(saved[0], base_wanted), spline = space_like(saved[0], ctx->needs_input_grad(0)),
                 coefficients = space_like(saved[1], ctx->needs_input_grad(1));
    raw::fold_backward(grads[0], saved[0], saved[1], optional(base), optional(spline), optional(coefficients));
    return {spline, coefficients, base};
  }
};

}  // namespace

TORCH_LIBRARY_FRAGMENT(kaem, m) {
  raw::fold_forward.define(m);
  raw::fold_backward.define(m);
}

Tensor fold_weights(const Tensor& base_weight, const Tensor& spline_weight, const Tensor& coefficients) {
  check_fold("fold_weights", base_weight, spline_weight, coefficients);
  if (!fused(coefficients)) return reference::fold_weights(base_weight, spline_weight, coefficients);
  if (wants({base_weight, spline_weight, coefficients}))
    return Fold::apply(spline_weight, coefficients, optional(base_weight));
  return raw::fold_forward(optional(base_weight), spline_weight, coefficients);
}

}  // namespace kaem::ops
