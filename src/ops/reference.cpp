// The operators' reference implementations in plain ATen: slow, short, and the arbiters of the fused kernels. Formulas:
// docs/mathematics.md.
#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <cmath>
#include <numbers>

#include "kaem/ops/ops.h"
#include "ops/edges.h"

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

/// (e^d - 1)/d for d <= 0; the series also keeps autograd's derivative exact near 0.
Tensor phi1(const Tensor& d) {
  const Tensor small = d > -0.1;
  const Tensor near = at::where(small, d, at::zeros({}, d.options()));
  const Tensor far = at::where(small, at::full({}, -1.0, d.options()), d);
  Tensor series = at::ones_like(d);
  for (int n = 11; n >= 2; --n) series = 1 + near / n * series;
  return at::where(small, series, far.expm1() / far);
}

/// ∫ of the exponential of a line from l to r over a width w.
Tensor log_linear_integral(const Tensor& l, const Tensor& r, const Tensor& w) {
  return w * at::maximum(l, r).exp() * phi1(-(l - r).abs());
}

/// Largest index i in [0, cells) with values[offset + i] <= x, by bisection: [S,C].
Tensor find_cell(const Tensor& x, const Tensor& values, const Tensor& offset, const Tensor& cells) {
  Tensor low = at::zeros_like(x, x.options().dtype(at::kLong)), high = cells.expand_as(low);
  for (int64_t span = cells.max().item<int64_t>(); span > 0; span /= 2) {
    const Tensor middle = at::floor_divide(low + high, 2);
    const Tensor below = values.take(offset + middle) <= x;
    low = at::where(at::logical_and(below, middle > low), middle, low);
    high = at::where(below, high, middle);
  }
  return at::minimum(low, cells - 1);
}

/// log1p(t (e^d - 1))/d, the inverse of the distribution function of a log-linear density on [0,1] of slope d.
Tensor invert_in_cell(const Tensor& t, const Tensor& d) {
  const Tensor down = -d.abs(), mirrored = at::where(d > 0, 1 - t, t);
  const Tensor flat = down > -1e-6;
  const Tensor safe = at::where(flat, at::full({}, -1.0, d.options()), down);
  const Tensor y = at::where(flat, mirrored, (mirrored * safe.expm1()).log1p() / safe).clamp(0, 1);
  return at::where(d > 0, 1 - y, y);
}

Tensor distribution_in_cell(const Tensor& y, const Tensor& d) {
  const Tensor down = -d.abs(), mirrored = at::where(d > 0, 1 - y, y);
  const Tensor flat = down > -1e-6;
  const Tensor safe = at::where(flat, at::full({}, -1.0, d.options()), down);
  const Tensor t = at::where(flat, mirrored, (safe * mirrored).expm1() / safe.expm1());
  return at::where(d > 0, 1 - t, t);
}

/// Calls `piece` on slices of z along S that keep the temporaries below about 128 MB, and joins the results.
template <class Piece>
Tensor in_slices(const Tensor& z, int64_t features, Piece piece) {
  const int64_t row = z.size(1) * z.size(2) * features;
  const int64_t rows = std::max<int64_t>(1, (int64_t{1} << 22) / std::max<int64_t>(1, row));
  if (z.size(0) <= rows) return piece(z);
  std::vector<Tensor> parts;
  for (const Tensor& part : z.split(rows)) parts.push_back(piece(part));
  return at::cat(parts);
}

Tensor edge_features(const Tensor& z, const Tensor& knots, const Tensor& tau, const BasisSpec& spec, int64_t order) {
  return of_edges(z, knots, [&](const Tensor& x) {
    return order == 0 ? reference::basis(x, knots, tau, spec) : reference::basis_derivative(x, knots, tau, spec);
  });
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

Tensor fold_weights(const Tensor& base_weight, const Tensor& spline_weight, const Tensor& coefficients) {
  const Tensor folded = spline_weight.unsqueeze(1) * coefficients;
  return base_weight.defined() ? at::cat({folded, base_weight.unsqueeze(1)}, 1) : folded;
}

Tensor kan_layer(const Tensor& x, const Tensor& knots, const Tensor& tau, const Tensor& base_weight,
                 const Tensor& spline_weight, const Tensor& coefficients, const BasisSpec& spec, Precision precision) {
  return product(reference::basis(x, knots, tau, spec).flatten(1),
                 reference::fold_weights(base_weight, spline_weight, coefficients).flatten(0, 1), precision);
}

Tensor edge_sum(const Tensor& z, const Tensor& knots, const Tensor& tau, const Tensor& weights, const BasisSpec& spec) {
  return in_slices(z, weights.size(1), [&](const Tensor& part) {
    return at::einsum("sqpf,pfq->s", {edge_features(part, knots, tau, spec, 0), weights});
  });
}

Tensor edge_values(const Tensor& z, const Tensor& knots, const Tensor& tau, const Tensor& weights,
                   const BasisSpec& spec, int64_t order) {
  const c10::AutoGradMode no_grad(false);
  return in_slices(z, weights.size(1), [&](const Tensor& part) {
    return at::einsum("sqpf,pfq->sqp", {edge_features(part, knots, tau, spec, order), weights});
  });
}

CellMasses cell_masses(const Tensor& log_density, const Tensor& widths, bool split_edges) {
  const int64_t components = log_density.size(0), cells = widths.size(1);
  const Tensor w = widths.repeat_interleave(components / widths.size(0), 0);
  const Tensor top = std::get<0>(log_density.detach().max(1, true));
  // e^-1000 is zero in both types; the floor keeps nodes of density zero from making NaNs.
  const Tensor relative = (log_density - top).clamp_min(-1000);
  Tensor left, middle, right;
  if (split_edges) {
    const Tensor nodes = relative.reshape({components, cells, 3});
    left = nodes.select(2, 0), middle = nodes.select(2, 1), right = nodes.select(2, 2);
  } else {
    left = relative.slice(1, 0, 2 * cells - 1, 2), middle = relative.slice(1, 1, 2 * cells, 2);
    right = relative.slice(1, 2, 2 * cells + 1, 2);
  }
  const Tensor whole = log_linear_integral(left, right, w);
  const Tensor halves = log_linear_integral(left, middle, w / 2) + log_linear_integral(middle, right, w / 2);
  const Tensor mass = at::maximum((4 * halves - whole) / 3, halves / 2);
  const Tensor total = mass.sum(1, false, at::kDouble);
  const Tensor gap = (halves - whole).abs();
  // What the extrapolation leaves of a cell's mass where the density is steep: a share d²/180 of the gap (2/3 at most).
  const Tensor steep = ((right - left).square() / 180).clamp_max(2.0 / 3);
  const Tensor error =
      at::maximum(0.128 * std::get<0>(gap.max(1)).to(at::kDouble), 3 * (steep * gap).sum(1, false, at::kDouble)) /
      total;
  const Tensor running = mass.detach().to(at::kDouble).cumsum(1);
  const Tensor cdf = at::cat({at::zeros_like(running.slice(1, 0, 1)), running / running.slice(1, -1)}, 1);
  const auto dtype = log_density.scalar_type();
  return {(total.log() + top.squeeze(1)).to(dtype), error.detach().to(dtype), cdf.to(dtype), (right - left).detach()};
}

Tensor langevin_move(const Tensor& z, const Tensor& prior, const Tensor& likelihood, const Tensor& noise,
                     const Tensor& temperature, double step, double lower, double upper) {
  const c10::AutoGradMode no_grad(false);
  Tensor drift = prior;
  if (likelihood.defined()) {
    std::vector<int64_t> shape(static_cast<size_t>(z.dim()), 1);
    shape[0] = -1;
    const Tensor t = temperature.to(z.options()).reshape(shape);
    drift = drift + at::where(t == 0, at::zeros({}, z.options()), t * likelihood);
  }
  const Tensor moved = z + (step * drift + std::sqrt(2 * step) * noise.to(z.scalar_type()));
  if (!std::isfinite(lower)) return moved;
  const double width = upper - lower;
  const Tensor cell = ((moved - lower) / width).floor(), offset = (moved - lower) - cell * width;
  const Tensor folded = lower + at::where(cell.remainder(2) == 1, width - offset, offset);
  return at::where((moved >= lower).logical_and(moved <= upper), moved, folded.clamp(lower, upper));
}

Tensor inverse_cdf(const Tensor& u, const InverseTable& table) {
  const c10::AutoGradMode no_grad(false);
  const Tensor cell = find_cell(u, table.cdf, table.cdf_offset, table.cells);
  const Tensor low = table.cdf.take(table.cdf_offset + cell), high = table.cdf.take(table.cdf_offset + cell + 1);
  const Tensor t = ((u - low) / (high - low).clamp_min(1e-300)).clamp(0, 1);
  const Tensor y = invert_in_cell(t, table.slope.take(table.slope_offset + cell));
  const Tensor start = table.edges.take(table.edge_offset + cell), end = table.edges.take(table.edge_offset + cell + 1);
  return start + y * (end - start);
}

Tensor forward_cdf(const Tensor& z, const InverseTable& table) {
  const c10::AutoGradMode no_grad(false);
  const Tensor cell = find_cell(z, table.edges, table.edge_offset, table.cells);
  const Tensor start = table.edges.take(table.edge_offset + cell), end = table.edges.take(table.edge_offset + cell + 1);
  const Tensor y = ((z - start) / (end - start)).clamp(0, 1);
  const Tensor t = distribution_in_cell(y, table.slope.take(table.slope_offset + cell));
  const Tensor low = table.cdf.take(table.cdf_offset + cell), high = table.cdf.take(table.cdf_offset + cell + 1);
  return low + t * (high - low);
}

}  // namespace kaem::ops::reference
