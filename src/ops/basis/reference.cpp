// Formulas: docs/mathematics.md section 1.
#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <cmath>
#include <numbers>

#include "kaem/ops/ops.h"

namespace kaem::ops::reference {
namespace {

using at::Tensor;

constexpr double kPi = std::numbers::pi;

/// Both tails of a basis end in exact zeros: denormal numbers make a float32 matrix product up to 100 times slower.
Tensor flush_tiny(const Tensor& phi) {
  if (phi.scalar_type() != at::kFloat) return phi;
  return at::where(phi.abs() < 1e-20, at::zeros({}, phi.options()), phi);
}

Tensor domain_start(const Tensor& knots) { return knots.select(1, 0); }
Tensor domain_width(const Tensor& knots) { return knots.select(1, -1) - knots.select(1, 0); }

/// The unit of u: τh [I,1], of wavelets their scales [I,G].
Tensor unit_of(const Tensor& knots, const Tensor& tau, BasisKind kind) {
  if (is_wavelet(kind)) return knots.slice(1, knots.size(1) / 2);
  return (tau * domain_width(knots) / static_cast<double>(knots.size(1) - 1)).unsqueeze(-1);
}

/// u = (x - c)/unit: [N,I,F].
Tensor distance(const Tensor& x, const Tensor& knots, const Tensor& tau, BasisKind kind) {
  const Tensor centres = is_wavelet(kind) ? knots.slice(1, 0, knots.size(1) / 2) : knots;
  return (x.unsqueeze(-1) - centres) / unit_of(knots, tau, kind);
}

Tensor sech_squared(const Tensor& u) {
  const Tensor e = (-2 * u.abs()).exp();
  return 4 * e / (1 + e).square();
}

/// sin(πv)/(πv) by its series where |v| is small: autograd's derivative of at::sinc loses all digits there.
Tensor sinc_of(const Tensor& v) {
  const Tensor small = v.abs() < 0.25, squared = (kPi * at::where(small, v, at::zeros({}, v.options()))).square();
  Tensor series = at::ones_like(v);
  for (int n = 16; n >= 2; n -= 2) series = 1 - squared / (n * (n + 1)) * series;
  const Tensor far = kPi * at::where(small, at::ones({}, v.options()), v);
  return at::where(small, series, far.sin() / far);
}

/// sinc'(v) for sinc(v) = sin(πv)/(πv).
Tensor sinc_derivative(const Tensor& v) {
  const Tensor near = v.abs() < 1e-3;
  const Tensor safe = at::where(near, at::ones({}, v.options()), v);
  const Tensor far = ((kPi * safe).cos() - at::sinc(safe)) / safe;
  return at::where(near, -kPi * kPi / 3 * v * (1 - kPi * kPi / 10 * v.square()), far);
}

/// φ(u) of the bases that are one function of a distance.
Tensor radial(const Tensor& u, const Tensor& tau, BasisKind kind) {
  switch (kind) {
    case BasisKind::kRbf:
      return (-0.5 * u.square()).exp();
    case BasisKind::kRswaf:
      return sech_squared(u);
    case BasisKind::kDog:
      return -u * (-0.5 * u.square()).exp();
    case BasisKind::kMexicanHat:
      return 2 / (std::sqrt(3.0) * std::pow(kPi, 0.25)) * (1 - u.square()) * (-0.5 * u.square()).exp();
    case BasisKind::kMorlet:
      return (tau * u).cos() * (-0.5 * u.square()).exp();
    case BasisKind::kShannon:
      return sinc_of(u / 2) * (1.5 * kPi * u).cos();
    case BasisKind::kBSpline:
    case BasisKind::kFft:
    case BasisKind::kCheby:
      break;
  }
  TORCH_CHECK(false, "this basis is no function of a distance");
}

/// dφ/du.
Tensor radial_derivative(const Tensor& u, const Tensor& tau, BasisKind kind) {
  switch (kind) {
    case BasisKind::kRbf:
      return -u * (-0.5 * u.square()).exp();
    case BasisKind::kRswaf:
      return -2 * u.tanh() * sech_squared(u);
    case BasisKind::kDog:
      return (u.square() - 1) * (-0.5 * u.square()).exp();
    case BasisKind::kMexicanHat:
      return 2 / (std::sqrt(3.0) * std::pow(kPi, 0.25)) * (u.square() - 3) * u * (-0.5 * u.square()).exp();
    case BasisKind::kMorlet:
      return (-tau * (tau * u).sin() - u * (tau * u).cos()) * (-0.5 * u.square()).exp();
    case BasisKind::kShannon:
      return 0.5 * sinc_derivative(u / 2) * (1.5 * kPi * u).cos() - 1.5 * kPi * at::sinc(u / 2) * (1.5 * kPi * u).sin();
    case BasisKind::kBSpline:
    case BasisKind::kFft:
    case BasisKind::kCheby:
      break;
  }
  TORCH_CHECK(false, "this basis is no function of a distance");
}

/// Knots with `degree` more on each side, a uniform spacing apart: [I,G+1+2·degree].
Tensor extended_knots(const Tensor& knots, int64_t degree) {
  const Tensor spacing = (domain_width(knots) / static_cast<double>(knots.size(1) - 1)).unsqueeze(1);
  const Tensor steps = at::arange(1, degree + 1, knots.options()).unsqueeze(0);
  return at::cat({knots.slice(1, 0, 1) - spacing * steps.flip(1), knots, knots.slice(1, -1) + spacing * steps}, 1);
}

/// a/b with 0/0 = 0, the convention of Cox and de Boor for coinciding knots.
Tensor knot_ratio(const Tensor& a, const Tensor& b) {
  const Tensor zero = b == 0;
  return at::where(zero, at::zeros({}, a.options()), a / at::where(zero, at::ones({}, b.options()), b));
}

/// B-splines of `degree` on knots extended for degree `extension`: [N,I,G + 2·extension - degree].
Tensor bsplines(const Tensor& x, const Tensor& knots, int64_t degree, int64_t extension, const Tensor& cell) {
  const Tensor e = extended_knots(knots, extension).unsqueeze(0);
  const Tensor at_x = x.unsqueeze(-1), in_cell = (cell.defined() ? cell : x).unsqueeze(-1);
  Tensor inside = at::logical_and(in_cell >= e.slice(2, 0, -1), in_cell < e.slice(2, 1));
  if (extension == 0) {  // nothing beyond b takes over there, so the last piece is closed
    Tensor closing = at::zeros_like(inside);
    closing.select(2, -1).copy_(in_cell.squeeze(-1) == knots.select(1, -1).unsqueeze(0));
    inside = at::logical_or(inside, closing);
  }
  Tensor b = inside.to(x.scalar_type());
  for (int64_t d = 1; d <= degree; ++d) {
    const int64_t n = e.size(2);
    const Tensor rising = knot_ratio(at_x - e.slice(2, 0, n - d - 1), e.slice(2, d, n - 1) - e.slice(2, 0, n - d - 1));
    const Tensor falling = knot_ratio(e.slice(2, d + 1, n) - at_x, e.slice(2, d + 1, n) - e.slice(2, 1, n - d));
    b = rising * b.slice(2, 0, -1) + falling * b.slice(2, 1);
  }
  return b;
}

Tensor bspline_derivative(const Tensor& x, const Tensor& knots, int64_t degree) {
  if (degree == 0) return at::zeros_like(bsplines(x, knots, 0, 0, {}));
  const Tensor lower = bsplines(x, knots, degree - 1, degree, {});
  const Tensor e = extended_knots(knots, degree).unsqueeze(0);
  const int64_t n = e.size(2);
  const Tensor scaled = knot_ratio(static_cast<double>(degree) * lower,
                                   (e.slice(2, degree, n) - e.slice(2, 0, n - degree)).expand_as(lower));
  return scaled.slice(2, 0, -1) - scaled.slice(2, 1);
}

/// Frequencies π k τ, k = 1..G, and positions x̃ in units of the domain; in float64, as the rounding of a phase counts k
/// times.
std::pair<Tensor, Tensor> fourier(const Tensor& x, const Tensor& knots, const Tensor& tau) {
  const Tensor wide = knots.to(at::kDouble);
  const Tensor position = (x.to(at::kDouble) - domain_start(wide)) / domain_width(wide);
  const Tensor k = at::arange(1, knots.size(1), wide.options());
  return {kPi * k * tau.to(at::kDouble), position.unsqueeze(-1)};
}

/// T_n(x̂) and T_n'(x̂), n = 0..degree, stacked along the last axis.
std::pair<Tensor, Tensor> chebyshev(const Tensor& x_hat, int64_t degree) {
  std::vector<Tensor> t = {at::ones_like(x_hat)}, dt = {at::zeros_like(x_hat)};
  for (int64_t n = 1; n <= degree; ++n) {
    t.push_back(n == 1 ? x_hat : 2 * x_hat * t[n - 1] - t[n - 2]);
    dt.push_back(n == 1 ? at::ones_like(x_hat) : 2 * t[n - 1] + 2 * x_hat * dt[n - 1] - dt[n - 2]);
  }
  return {at::stack(t, -1), at::stack(dt, -1)};
}

/// 2(x-a)/(b-a) - 1, not clamped.
Tensor to_unit(const Tensor& x, const Tensor& knots) { return 2 * (x - domain_start(knots)) / domain_width(knots) - 1; }

Tensor with_activation(const Tensor& phi, const Tensor& extra, Activation activation) {
  return activation == Activation::kNone ? phi : at::cat({phi, extra.unsqueeze(-1)}, -1);
}

}  // namespace

Tensor basis(const Tensor& x, const Tensor& knots, const Tensor& tau, const BasisSpec& spec, const Tensor& cell) {
  Tensor phi;
  if (spec.kind == BasisKind::kBSpline) {
    phi = bsplines(x, knots, spec.degree, spec.degree, cell);
  } else if (spec.kind == BasisKind::kFft) {
    const auto [frequency, position] = fourier(x, knots, tau);
    const Tensor angle = frequency * position;
    phi = at::cat({at::ones_like(position), angle.cos(), angle.sin()}, -1).to(x.scalar_type());
  } else if (spec.kind == BasisKind::kCheby) {
    phi = chebyshev(to_unit(x, knots).clamp(-1, 1), spec.degree).first;
  } else {
    phi = radial(distance(x, knots, tau, spec.kind), tau, spec.kind);
  }
  return with_activation(
      flush_tiny(phi), spec.activation == Activation::kNone ? Tensor() : activate(x, spec.activation), spec.activation);
}

Tensor basis_derivative(const Tensor& x, const Tensor& knots, const Tensor& tau, const BasisSpec& spec) {
  const c10::AutoGradMode no_grad(false);
  Tensor phi;
  if (spec.kind == BasisKind::kBSpline) {
    phi = bspline_derivative(x, knots, spec.degree);
  } else if (spec.kind == BasisKind::kFft) {
    const auto [frequency, position] = fourier(x, knots, tau);
    const Tensor angle = frequency * position, scale = frequency / domain_width(knots).unsqueeze(-1);
    phi = at::cat({at::zeros_like(position), -scale * angle.sin(), scale * angle.cos()}, -1).to(x.scalar_type());
  } else if (spec.kind == BasisKind::kCheby) {
    const Tensor x_hat = to_unit(x, knots);
    const Tensor inside = (x_hat.abs() <= 1).to(x.scalar_type());
    phi = chebyshev(x_hat.clamp(-1, 1), spec.degree).second * (inside * 2 / domain_width(knots)).unsqueeze(-1);
  } else {
    phi = radial_derivative(distance(x, knots, tau, spec.kind), tau, spec.kind) / unit_of(knots, tau, spec.kind);
  }
  return with_activation(flush_tiny(phi),
                         spec.activation == Activation::kNone ? Tensor() : activate_derivative(x, spec.activation),
                         spec.activation);
}

Tensor basis_tau_derivative(const Tensor& x, const Tensor& knots, const Tensor& tau, const BasisSpec& spec) {
  const c10::AutoGradMode no_grad(false);
  Tensor phi;
  const bool wavelet = is_wavelet(spec.kind), morlet = spec.kind == BasisKind::kMorlet;
  if (spec.kind == BasisKind::kBSpline || spec.kind == BasisKind::kCheby || (wavelet && !morlet)) {
    phi = at::zeros_like(reference::basis(x, knots, tau, {spec.kind, spec.degree, Activation::kNone}));
  } else if (spec.kind == BasisKind::kFft) {
    const auto [frequency, position] = fourier(x, knots, tau);
    const Tensor angle = frequency * position, scale = angle / tau;
    phi = at::cat({at::zeros_like(position), -scale * angle.sin(), scale * angle.cos()}, -1).to(x.scalar_type());
  } else {
    const Tensor u = distance(x, knots, tau, spec.kind);
    phi = morlet ? -u * (tau * u).sin() * (-0.5 * u.square()).exp() : -u / tau * radial_derivative(u, tau, spec.kind);
  }
  return with_activation(flush_tiny(phi), at::zeros_like(x), spec.activation);
}

}  // namespace kaem::ops::reference
