#include "ops/cells/op.h"

#include <ATen/ATen.h>

#include "ops/autograd.h"
#include "ops/checks.h"

namespace kaem::ops {
namespace {

struct Masses : Function<Masses> {
  static variable_list forward(AutogradContext* ctx, const Tensor& log_density, const Tensor& widths,
                               bool split_edges) {
    auto [log_normaliser, error, cdf, slope, gradient] = raw::cell_masses(log_density, widths, split_edges, true);
    ctx->save_for_backward({gradient});
    ctx->mark_non_differentiable({error, cdf, slope});
    ctx->set_materialize_grads(false);  // or each backward pass would fill tables of zeros for the other three
    return {log_normaliser, error, cdf, slope};
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    refuse_second_order("cell_masses");
    if (!grads[0].defined()) return {{}, {}, {}};
    const Tensor gradient = ctx->get_saved_variables()[0], &weight = grads[0];
    // Where Σ log Z is subtracted from a loss, the weight of every component is the one number 1.
    const bool one_number = weight.is_cpu() && weight.numel() > 0 && weight.stride(0) == 0;
    if (one_number && weight[0].item<double>() == 1.0) return {gradient, {}, {}};
    return {gradient * weight.unsqueeze(1), {}, {}};
  }
};

}  // namespace

TORCH_LIBRARY_FRAGMENT(kaem, m) { raw::cell_masses.define(m); }

CellMasses cell_masses(const Tensor& log_density, const Tensor& widths, bool split_edges) {
  TORCH_CHECK_VALUE(log_density.dim() == 2, "cell_masses: expected log_density [C, K], got ", log_density.sizes());
  TORCH_CHECK_VALUE(widths.dim() == 2 && widths.size(0) > 0 && log_density.size(0) % widths.size(0) == 0,
                    "cell_masses: expected widths [C/R, M] with C = ", log_density.size(0), ", got ", widths.sizes());
  const int64_t nodes = split_edges ? 3 * widths.size(1) : 2 * widths.size(1) + 1;
  TORCH_CHECK_VALUE(log_density.size(1) == nodes && widths.size(1) > 0, "cell_masses: expected log_density [C, ", nodes,
                    "] for ", widths.size(1), " cells, got ", log_density.sizes());
  check_same_kind("cell_masses", "widths", widths, log_density);
  if (!fused(log_density) || tracked(widths)) return reference::cell_masses(log_density, widths, split_edges);
  if (wants({log_density})) {
    const auto out = Masses::apply(log_density, widths, split_edges);
    return {out[0], out[1], out[2], out[3]};
  }
  auto [log_normaliser, error, cdf, slope, gradient] = raw::cell_masses(log_density, widths, split_edges, false);
  return {log_normaliser, error, cdf, slope};
}

}  // namespace kaem::ops
