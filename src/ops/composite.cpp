// The raw operators in plain ATen, made of the reference implementations: for devices and dtypes without a fused
// kernel.
#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <c10/core/impl/LocalDispatchKeySet.h>
#include <torch/csrc/autograd/autograd.h>

#include "ops/raw_ops.h"

namespace kaem::ops::raw::composite {
namespace {

BasisSpec make_spec(int64_t kind, int64_t degree, int64_t activation) {
  return {static_cast<BasisKind>(kind), degree, static_cast<Activation>(activation)};
}

/// Runs ATen's autograd inside a kernel, where the dispatcher has switched it off.
class WithAutograd {
 public:
  explicit WithAutograd(bool enabled = true)
      : local_(c10::impl::tls_local_dispatch_key_set()),
        keys_(local_.included_, local_.excluded_ - c10::autograd_dispatch_keyset_with_ADInplaceOrView),
        mode_(enabled) {}

 private:
  c10::impl::LocalDispatchKeySet local_;
  c10::impl::ForceDispatchKeyGuard keys_;
  c10::AutoGradMode mode_;
};

Tensor leaf(const Tensor& t, bool wanted) { return t.detach().requires_grad_(wanted); }

/// Gradients of `output` weighted by `grad`; undefined where not wanted, zero where output does not depend on the
/// input.
template <size_t n>
std::array<Tensor, n> gradients(const Tensor& output, const Tensor& grad, const std::array<Tensor, n>& inputs) {
  std::array<Tensor, n> out;
  torch::autograd::variable_list wanted;
  for (const Tensor& t : inputs) {
    if (t.requires_grad()) wanted.push_back(t);
  }
  if (wanted.empty()) return out;
  torch::autograd::variable_list found(wanted.size());
  if (output.requires_grad()) found = torch::autograd::grad({output}, wanted, {grad}, false, false, true);
  size_t next = 0;
  for (size_t i = 0; i < n; ++i) {
    if (!inputs[i].requires_grad()) continue;
    out[i] = found[next].defined() ? found[next] : at::zeros_like(inputs[i].detach());
    ++next;
  }
  return out;
}

}  // namespace

Tensor basis_forward(const Tensor& x, const Optional& cell, const Tensor& knots, const Tensor& tau, int64_t kind,
                     int64_t degree, int64_t activation) {
  return reference::basis(x, knots, tau, make_spec(kind, degree, activation), cell.value_or(Tensor()));
}

Tensor basis_derivative(const Tensor& x, const Tensor& knots, const Tensor& tau, int64_t kind, int64_t degree,
                        int64_t activation) {
  return reference::basis_derivative(x, knots, tau, make_spec(kind, degree, activation));
}

std::tuple<Tensor, Tensor> basis_backward(const Tensor& grad, const Tensor& x, const Optional& cell,
                                          const Tensor& knots, const Tensor& tau, int64_t kind, int64_t degree,
                                          int64_t activation, std::array<bool, 2> wanted) {
  const WithAutograd autograd;
  const std::array inputs = {leaf(x, wanted[0]), leaf(tau, wanted[1])};
  const Tensor phi = reference::basis(inputs[0], knots.detach(), inputs[1], make_spec(kind, degree, activation),
                                      cell.has_value() ? cell->detach() : Tensor());
  auto [grad_x, grad_tau] = gradients(phi, grad.detach(), inputs);
  return {grad_x, grad_tau};
}

Tensor fold_forward(const Optional& base_weight, const Tensor& spline_weight, const Tensor& coefficients) {
  return reference::fold_weights(base_weight.value_or(Tensor()), spline_weight, coefficients);
}

void fold_backward(const Tensor& grad, const Tensor& spline_weight, const Tensor& coefficients,
                   const Optional& base_out, const Optional& spline_out, const Optional& coefficients_out) {
  const int64_t functions = coefficients.size(1);
  const Tensor spline_grad = grad.narrow(1, 0, functions);
  if (base_out) base_out->copy_(grad.select(1, functions));
  if (spline_out) spline_out->copy_((spline_grad * coefficients).sum(1));
  if (coefficients_out) coefficients_out->copy_(spline_grad * spline_weight.unsqueeze(1));
}

Tensor edge_sum_forward(const Tensor& z, const Tensor& knots, const Tensor& tau, const Tensor& weights, int64_t kind,
                        int64_t degree, int64_t activation) {
  return reference::edge_sum(z, knots, tau, weights, make_spec(kind, degree, activation));
}

Three edge_sum_backward(const Tensor& grad, const Tensor& z, const Tensor& knots, const Tensor& tau,
                        const Tensor& weights, int64_t kind, int64_t degree, int64_t activation,
                        std::array<bool, 3> wanted) {
  const WithAutograd autograd;
  const std::array inputs = {leaf(z, wanted[0]), leaf(tau, wanted[1]), leaf(weights, wanted[2])};
  const Tensor sums =
      reference::edge_sum(inputs[0], knots.detach(), inputs[1], inputs[2], make_spec(kind, degree, activation));
  auto [grad_z, grad_tau, grad_weights] = gradients(sums, grad.detach(), inputs);
  return {grad_z, grad_tau, grad_weights};
}

Tensor edge_values(const Tensor& z, const Tensor& knots, const Tensor& tau, const Tensor& weights, int64_t kind,
                   int64_t degree, int64_t activation, int64_t order) {
  return reference::edge_values(z, knots, tau, weights, make_spec(kind, degree, activation), order);
}

Five cell_masses(const Tensor& log_density, const Tensor& widths, bool split_edges, bool with_gradient) {
  const WithAutograd autograd(with_gradient);
  const std::array inputs = {leaf(log_density, with_gradient)};
  const CellMasses masses = reference::cell_masses(inputs[0], widths.detach(), split_edges);
  Tensor gradient;
  if (with_gradient) gradient = gradients(masses.log_normaliser, at::ones_like(masses.log_normaliser), inputs)[0];
  return {masses.log_normaliser.detach(), masses.error, masses.cdf, masses.slope,
          with_gradient ? gradient : at::empty({0}, log_density.options())};
}

Tensor langevin_move(const Tensor& z, const Tensor& prior, const Optional& likelihood, int64_t repeat,
                     const Tensor& noise, const Tensor& temperature, double step, double lower, double upper) {
  const Tensor whole = !likelihood ? Tensor() : repeat > 1 ? likelihood->unsqueeze(-1).expand_as(z) : *likelihood;
  return reference::langevin_move(z, prior, whole, noise, temperature, step, lower, upper);
}

Tensor inverse_cdf(const Tensor& u, const Tensor& cells, const Tensor& cdf_offset, const Tensor& slope_offset,
                   const Tensor& edge_offset, const Tensor& cdf, const Tensor& slope, const Tensor& edges) {
  return reference::inverse_cdf(u, {cells, cdf_offset, slope_offset, edge_offset, cdf, slope, edges});
}

Tensor forward_cdf(const Tensor& z, const Tensor& cells, const Tensor& cdf_offset, const Tensor& slope_offset,
                   const Tensor& edge_offset, const Tensor& cdf, const Tensor& slope, const Tensor& edges) {
  return reference::forward_cdf(z, {cells, cdf_offset, slope_offset, edge_offset, cdf, slope, edges});
}

}  // namespace kaem::ops::raw::composite
