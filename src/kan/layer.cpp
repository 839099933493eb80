#include "kaem/kan/layer.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <cmath>

namespace kaem {

using at::Tensor;

/// Least distance of neighbouring trainable knots, as a share of the uniform one: they cannot meet.
constexpr double kLeastGap = 0.01;

KanLayerImpl::KanLayerImpl(int64_t in, int64_t out, BasisOptions layer_options, const InitialDraws& draws,
                           WaveletsOf wavelets)
    : inputs(in), outputs(out), options(std::move(layer_options)), spec(make_basis_spec(options)), draws_(draws) {
  const double variance = 2.0 / static_cast<double>(inputs + outputs);
  const auto normal = [&](const char* name) { return draws_.normal(name, {inputs, outputs}) * std::sqrt(variance); };
  if (spec.activation != ops::Activation::kNone) {
    const Tensor spread = 2 * draws_.uniform("base_weight.spread", {inputs, outputs}) - 1;
    const double fan = std::sqrt(static_cast<double>(inputs));
    base_weight = register_parameter("base_weight",
                                     (options.mu_scale + options.sigma_base * spread) / fan * normal("base_weight"));
  }
  spline_weight = register_parameter("spline_weight", options.sigma_spline * normal("spline_weight"));
  const int64_t functions = ops::feature_count({spec.kind, spec.degree, ops::Activation::kNone}, options.grid_size);
  coefficients = register_parameter("coefficients", at::zeros({inputs, functions, outputs}));
  const bool trainable = options.tau_trainable && has_bandwidth(spec.kind);
  const Tensor start = at::full({}, options.tau);
  tau = trainable ? register_parameter("tau", start) : register_buffer("tau", start);
  if (ops::is_wavelet(spec.kind)) {
    const int64_t rows = wavelets == WaveletsOf::kEdge ? inputs * outputs : inputs;
    translations = register_parameter("translations", at::zeros({rows, options.grid_size}));
    scales = register_parameter("scales", at::ones({rows, options.grid_size}));
    ends_ = register_buffer("knot_ends", at::zeros({inputs, 2}));
  } else if (options.grid_trainable && has_movable_knots(spec.kind) && options.grid_size > 1) {
    gaps = register_parameter("gaps", at::zeros({inputs, options.grid_size}));
    ends_ = register_buffer("knot_ends", at::zeros({inputs, 2}));
  } else {
    knots_ = register_buffer("knots", at::empty({inputs, options.grid_size + 1}));
  }
  reset_domain(options.grid_range.at(0), options.grid_range.at(1));
}

void KanLayerImpl::reset_domain(double low, double high) {
  const c10::AutoGradMode no_grad(false);
  set_knots(at::linspace(low, high, options.grid_size + 1, at::kDouble).expand({inputs, options.grid_size + 1}));
  draw_coefficients();
}

Tensor KanLayerImpl::knots() const {
  if (!has_trainable_knots()) return knots_;
  if (translations.defined()) {
    const int64_t rows = translations.size(0) / inputs;
    const Tensor least = (kMinTau / static_cast<double>(options.grid_size)) * ends_.diff(1, 1);  // [I,1]
    return at::cat({translations, at::maximum(scales, least.repeat_interleave(rows, 0))}, 1);
  }
  const Tensor low = ends_.slice(1, 0, 1), high = ends_.slice(1, 1, 2), raw = at::softplus(gaps);
  const double intervals = static_cast<double>(options.grid_size);
  const Tensor shares = (1 - kLeastGap) * raw / raw.sum(1, true) + kLeastGap / intervals;
  const Tensor inner = low + (high - low) * shares.slice(1, 0, -1).cumsum(1);
  return at::cat({low, inner, high}, 1);  // the ends are the domain's to the last bit
}

void KanLayerImpl::set_knots(const Tensor& target) {
  if (!has_trainable_knots()) {
    knots_.copy_(target);
    return;
  }
  ends_.copy_(at::stack({target.select(1, 0), target.select(1, -1)}, 1));
  if (translations.defined()) return place_wavelets();
  const Tensor wide = target.to(at::kDouble), width = wide.slice(1, -1) - wide.slice(1, 0, 1);
  const Tensor relative = wide.diff(1, 1) / width * static_cast<double>(options.grid_size);
  const Tensor raw = ((relative - kLeastGap) / (1 - kLeastGap)).clamp_min(kLeastGap);
  gaps.copy_(raw + at::log(-at::expm1(-raw)));  // softplus⁻¹
}

void KanLayerImpl::place_wavelets() {
  const auto count = static_cast<double>(options.grid_size);
  const Tensor wide = ends_.to(at::kDouble).repeat_interleave(translations.size(0) / inputs, 0);
  const Tensor part = wide.diff(1, 1) / count;  // of the domain, for each wavelet
  translations.copy_(wide.slice(1, 0, 1) + part * (at::arange(options.grid_size, part.options()) + 0.5));
  // A lone Morlet on [-1,1] is cos(τx) exp(-x²/2). The others, which have no frequency, are τ times as wide as the
  // part.
  const double width = spec.kind == ops::BasisKind::kMorlet ? 0.5 : options.tau;
  scales.copy_((part * width).expand_as(scales));
}

void KanLayerImpl::draw_coefficients() {
  const c10::AutoGradMode no_grad(false);
  const int64_t functions = coefficients.size(1);
  const double variance = 2.0 / static_cast<double>(inputs + outputs);
  const bool wavelet = ops::is_wavelet(spec.kind);
  if (!has_movable_knots(spec.kind) && !wavelet) {  // FFT and Chebyshev: higher frequencies start smaller
    const Tensor noise = draws_.normal("coefficients", {inputs, functions, outputs}) * std::sqrt(variance);
    Tensor order = at::arange(functions, at::kFloat);
    const double fan = static_cast<double>(inputs);
    if (spec.kind == ops::BasisKind::kFft) {
      // 1, cos 1..G, sin 1..G: cosine and sine of one frequency share a scale.
      order = at::where(order > options.grid_size, order - options.grid_size, order);
      coefficients.copy_(noise / (std::sqrt(fan) * (order + 1).square()).reshape({1, -1, 1}));
    } else {
      coefficients.copy_(noise / (fan * (order + 1)).reshape({1, -1, 1}));
    }
    return;
  }
  // The curves start as small noise at the knots: coefficients are its least-squares fit. Those of wavelets, which may
  // vanish there, are the noise itself.
  const int64_t values = wavelet ? functions : options.grid_size + 1;
  const Tensor noise = (draws_.uniform("coefficients", {inputs, values, outputs}) - 0.5) *
                       (options.eps_scale / static_cast<double>(options.grid_size));
  if (wavelet) {
    coefficients.copy_(noise);
    return;
  }
  const Tensor wide_knots = knots().to(at::kDouble).cpu();
  const ops::BasisSpec functions_only = {spec.kind, spec.degree, ops::Activation::kNone};
  const Tensor phi =
      ops::reference::basis(wide_knots.t().contiguous(), wide_knots, tau.to(at::kDouble).cpu(), functions_only)
          .transpose(0, 1);  // [I,G+1,G']
  const Tensor gram = phi.transpose(1, 2).matmul(phi) + options.ridge * at::eye(functions, phi.options());
  coefficients.copy_(at::linalg_solve(gram, phi.transpose(1, 2).matmul(noise.to(at::kDouble))));
}

Tensor KanLayerImpl::bandwidth() const { return tau.clamp_min(kMinTau); }

Tensor KanLayerImpl::weights() const { return ops::fold_weights(base_weight, spline_weight, coefficients); }

Tensor KanLayerImpl::forward(const Tensor& x) {
  TORCH_CHECK_VALUE(x.dim() == 2 && x.size(1) == inputs, "KAN layer of ", inputs, " inputs: expected x [N,", inputs,
                    "], got ", x.sizes());
  return ops::kan_layer(x, knots(), bandwidth(), base_weight, spline_weight, coefficients, spec, precision);
}

FrozenKanLayer::FrozenKanLayer(const KanLayer& layer)
    : inputs(layer->inputs), spec(layer->spec), precision(layer->precision) {
  const c10::AutoGradMode no_grad(false);
  weights = ops::round_to(layer->weights().reshape({-1, layer->outputs}), precision);
  bandwidth = layer->bandwidth(), knots = layer->knots();
}

Tensor FrozenKanLayer::forward(const Tensor& x) const {
  const c10::AutoGradMode no_grad(false);
  return ops::product(ops::basis(x, knots, bandwidth, spec).flatten(1), weights, precision);
}

Tensor FrozenKanLayer::pullback(const Tensor& x, const Tensor& grad) const {
  const c10::AutoGradMode no_grad(false);
  const Tensor to_features = ops::product(grad, weights.t(), precision);
  return ops::basis_pullback(to_features.unflatten(1, {inputs, -1}), x, knots, bandwidth, spec);
}

}  // namespace kaem
