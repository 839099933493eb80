#include "ops/edges/op.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include "ops/autograd.h"
#include "ops/checks.h"
#include "ops/edges/edges.h"

namespace kaem::ops {
namespace {

void check_edges(const char* op, const Tensor& z, const Tensor& knots, const Tensor& tau, const Tensor& weights,
                 const BasisSpec& spec) {
  TORCH_CHECK_VALUE(z.dim() == 3, op, ": expected z [S, Q, P], got ", z.sizes());
  check_basis(op, z, z.size(2), knots, tau, spec, z.size(1) * z.size(2));
  const int64_t features = feature_count(spec, grid_size_of(spec, knots));
  TORCH_CHECK_VALUE(
      weights.dim() == 3 && weights.size(0) == z.size(2) && weights.size(1) == features && weights.size(2) == z.size(1),
      op, ": expected weights [", z.size(2), ", ", features, ", ", z.size(1), "], got ", weights.sizes());
  check_same_kind(op, "weights", weights, z);
}

struct EdgeSum : Function<EdgeSum> {
  static Tensor forward(AutogradContext* ctx, const Tensor& z, const Tensor& tau, const Tensor& weights,
                        const Tensor& knots, const Spec& spec) {
    save_spec(ctx, spec);
    ctx->save_for_backward({z, tau, weights, knots});
    return raw::edge_sum_forward(z, knots, tau, weights, spec);
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    refuse_second_order("edge_sum");
    const auto saved = ctx->get_saved_variables();
    auto [z, tau, weights] =
        raw::edge_sum_backward(grads[0], saved[0], saved[3], saved[1], saved[2], saved_spec(ctx),
                               {ctx->needs_input_grad(0), ctx->needs_input_grad(1), ctx->needs_input_grad(2)});
    return {z, tau, weights, {}, {}};
  }
};

/// Gradients are found with the value, which is Σ w ∂/∂w.
struct WeightedEdgeSum : Function<WeightedEdgeSum> {
  static Tensor forward(AutogradContext* ctx, const Tensor& z, const Tensor& tau, const Tensor& weights,
                        const Tensor& weight, const Tensor& knots, const Spec& spec) {
    const auto [of_z, of_tau, of_weights] =
        raw::edge_sum_backward(weight, z, knots, tau, weights, spec, {z.requires_grad(), tau.requires_grad(), true});
    ctx->save_for_backward({of_z, of_tau, of_weights});
    return (weights * of_weights).sum();
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    refuse_second_order("weighted_edge_sum");
    variable_list out = ctx->get_saved_variables();
    for (Tensor& t : out) t = t.defined() ? t * grads[0] : t;
    out.resize(6);
    return out;
  }
};

}  // namespace

TORCH_LIBRARY_FRAGMENT(kaem, m) {
  raw::edge_sum_forward.define(m);
  raw::edge_sum_backward.define(m);
  raw::edge_values.define(m);
}

Tensor edge_features(const Tensor& z, const Tensor& knots, const Tensor& tau, const BasisSpec& spec) {
  TORCH_CHECK_VALUE(z.dim() == 3, "edge_features: expected z [S, Q, P], got ", z.sizes());
  check_basis("edge_features", z, z.size(2), knots, tau, spec, z.size(1) * z.size(2));
  return of_edges(z, knots, [&](const Tensor& x) { return basis(x, knots, tau, spec); });
}

Tensor edge_sum(const Tensor& z, const Tensor& knots, const Tensor& tau, const Tensor& weights, const BasisSpec& spec) {
  check_edges("edge_sum", z, knots, tau, weights, spec);
  if (!fused(z) || needs_reference(knots, tau, spec)) return reference::edge_sum(z, knots, tau, weights, spec);
  if (wants({z, tau, weights})) return EdgeSum::apply(z, tau, weights, knots, numbers_of(spec));
  return raw::edge_sum_forward(z, knots, tau, weights, numbers_of(spec));
}

Tensor weighted_edge_sum(const Tensor& z, const Tensor& weight, const Tensor& knots, const Tensor& tau,
                         const Tensor& weights, const BasisSpec& spec) {
  check_edges("weighted_edge_sum", z, knots, tau, weights, spec);
  TORCH_CHECK_VALUE(weight.dim() == 1 && weight.size(0) == z.size(0), "weighted_edge_sum: expected weight [", z.size(0),
                    "], got ", weight.sizes());
  if (fused(z) && !needs_reference(knots, tau, spec) && !tracked(weight) &&
      (tracked(z) || tracked(tau) || tracked(weights)))
    return WeightedEdgeSum::apply(z, tau, weights, weight, knots, numbers_of(spec));
  return (weight * edge_sum(z, knots, tau, weights, spec)).sum();
}

Tensor edge_values(const Tensor& z, const Tensor& knots, const Tensor& tau, const Tensor& weights,
                   const BasisSpec& spec, int64_t order) {
  check_edges("edge_values", z, knots, tau, weights, spec);
  TORCH_CHECK_VALUE(order == 0 || order == 1, "edge_values: expected order 0 or 1, got ", order);
  if (!fused(z)) return reference::edge_values(z, knots, tau, weights, spec, order);
  const c10::AutoGradMode no_grad(false);
  return raw::edge_values(z, knots, tau, weights, numbers_of(spec), order);
}

}  // namespace kaem::ops
