#include "ops/autograd.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

namespace kaem::ops::autograd {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

raw::Optional optional(const Tensor& t) { return t.defined() ? raw::Optional(t) : std::nullopt; }

/// A fused backward builds no graph: silence would be a wrong second derivative.
void refuse_second_order(const char* name) {
  TORCH_CHECK_NOT_IMPLEMENTED(!c10::GradMode::is_enabled(), name,
                              ": second derivatives need float64 tensors (the plain-ATen twin)");
}

struct SavedSpec {
  static void save(AutogradContext* ctx, int64_t kind, int64_t degree, int64_t activation) {
    ctx->saved_data["kind"] = kind;
    ctx->saved_data["degree"] = degree;
    ctx->saved_data["activation"] = activation;
  }
  explicit SavedSpec(AutogradContext* ctx)
      : kind(ctx->saved_data["kind"].toInt()),
        degree(ctx->saved_data["degree"].toInt()),
        activation(ctx->saved_data["activation"].toInt()) {}
  int64_t kind, degree, activation;
};

struct Basis : Function<Basis> {
  static Tensor forward(AutogradContext* ctx, const Tensor& x, const Tensor& tau, const Tensor& knots,
                        const raw::Optional& cell, int64_t kind, int64_t degree, int64_t activation) {
    SavedSpec::save(ctx, kind, degree, activation);
    ctx->save_for_backward({x, tau, knots, cell.value_or(Tensor())});
    return raw::basis_forward(x, cell, knots, tau, kind, degree, activation);
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    refuse_second_order("basis");
    const auto saved = ctx->get_saved_variables();
    const SavedSpec spec(ctx);
    auto [x, tau] =
        raw::basis_backward(grads[0], saved[0], optional(saved[3]), saved[2], saved[1], spec.kind, spec.degree,
                            spec.activation, {ctx->needs_input_grad(0), ctx->needs_input_grad(1)});
    return {x, tau, {}, {}, {}, {}, {}};
  }
};

struct Fold : Function<Fold> {
  // An absent optional has no place among the inputs that need_input_grad counts, so it comes last.
  static Tensor forward(AutogradContext* ctx, const Tensor& spline_weight, const Tensor& coefficients,
                        const raw::Optional& base_weight) {
    ctx->save_for_backward({spline_weight, coefficients});
    ctx->saved_data["base"] = base_weight.has_value();
    return raw::fold_forward(base_weight, spline_weight, coefficients);
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    refuse_second_order("fold_weights");
    const auto saved = ctx->get_saved_variables();
    const bool base_wanted = ctx->saved_data["base"].toBool() && ctx->needs_input_grad(2);
    auto [base, spline, coefficients] = raw::fold_backward(
        grads[0], saved[0], saved[1], {base_wanted, ctx->needs_input_grad(0), ctx->needs_input_grad(1)});
    return {spline, coefficients, base};
  }
};

struct EdgeSum : Function<EdgeSum> {
  static Tensor forward(AutogradContext* ctx, const Tensor& z, const Tensor& tau, const Tensor& weights,
                        const Tensor& knots, int64_t kind, int64_t degree, int64_t activation) {
    SavedSpec::save(ctx, kind, degree, activation);
    ctx->save_for_backward({z, tau, weights, knots});
    return raw::edge_sum_forward(z, knots, tau, weights, kind, degree, activation);
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    refuse_second_order("edge_sum");
    const auto saved = ctx->get_saved_variables();
    const SavedSpec spec(ctx);
    auto [z, tau, weights] = raw::edge_sum_backward(
        grads[0], saved[0], saved[3], saved[1], saved[2], spec.kind, spec.degree, spec.activation,
        {ctx->needs_input_grad(0), ctx->needs_input_grad(1), ctx->needs_input_grad(2)});
    return {z, tau, weights, {}, {}, {}, {}};
  }
};

struct Masses : Function<Masses> {
  static variable_list forward(AutogradContext* ctx, const Tensor& log_density, const Tensor& widths,
                               bool split_edges) {
    auto [log_normaliser, error, cdf, slope, gradient] = raw::cell_masses(log_density, widths, split_edges, true);
    ctx->save_for_backward({gradient});
    ctx->mark_non_differentiable({error, cdf, slope});
    return {log_normaliser, error, cdf, slope};
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    refuse_second_order("cell_masses");
    return {ctx->get_saved_variables()[0] * grads[0].unsqueeze(1), {}, {}};
  }
};

bool wants(std::initializer_list<Tensor> inputs) {
  if (!c10::GradMode::is_enabled()) return false;
  for (const Tensor& t : inputs) {
    if (t.defined() && t.requires_grad()) return true;
  }
  return false;
}

}  // namespace

Tensor basis(const Tensor& x, const Tensor& knots, const Tensor& tau, const BasisSpec& spec, const Tensor& cell) {
  const auto kind = static_cast<int64_t>(spec.kind), activation = static_cast<int64_t>(spec.activation);
  if (wants({x, tau})) return Basis::apply(x, tau, knots, optional(cell), kind, spec.degree, activation);
  return raw::basis_forward(x, optional(cell), knots, tau, kind, spec.degree, activation);
}

Tensor fold_weights(const Tensor& base_weight, const Tensor& spline_weight, const Tensor& coefficients) {
  if (wants({base_weight, spline_weight, coefficients}))
    return Fold::apply(spline_weight, coefficients, optional(base_weight));
  return raw::fold_forward(optional(base_weight), spline_weight, coefficients);
}

Tensor edge_sum(const Tensor& z, const Tensor& knots, const Tensor& tau, const Tensor& weights, const BasisSpec& spec) {
  const auto kind = static_cast<int64_t>(spec.kind), activation = static_cast<int64_t>(spec.activation);
  if (wants({z, tau, weights})) return EdgeSum::apply(z, tau, weights, knots, kind, spec.degree, activation);
  return raw::edge_sum_forward(z, knots, tau, weights, kind, spec.degree, activation);
}

CellMasses cell_masses(const Tensor& log_density, const Tensor& widths, bool split_edges) {
  if (wants({log_density})) {
    const auto out = Masses::apply(log_density, widths, split_edges);
    return {out[0], out[1], out[2], out[3]};
  }
  auto [log_normaliser, error, cdf, slope, gradient] = raw::cell_masses(log_density, widths, split_edges, false);
  return {log_normaliser, error, cdf, slope};
}

}  // namespace kaem::ops::autograd
