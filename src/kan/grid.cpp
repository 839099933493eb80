// Grid updates: knots follow the inputs, coefficients are refitted so that the curves stay. docs/mathematics.md section 1.
#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <cmath>

#include "kaem/kan/layer.h"

namespace kaem {
namespace {

using at::Tensor;

constexpr int kMostHalvings = 5;
constexpr double kMostChange = 0.01;  ///< relative RMS change of the curves that a grid update may cause

/// Products of the old and new features over the points: all that a refit and its error need.
struct Gram {
  Tensor new_new, new_old, old_old;  ///< [I,G',G'] float64
};

Gram gram_matrices(const Tensor& points, const Tensor& old_knots, const Tensor& new_knots, const Tensor& tau,
                   ops::BasisSpec spec) {
  spec.activation = ops::Activation::kNone;  // the base branch does not depend on the grid
  const Tensor wide_tau = tau.to(at::kDouble), x = points.to(at::kDouble);
  const Tensor old_phi = ops::reference::basis(x, old_knots, wide_tau, spec).transpose(0, 1);  // [I,N,G']
  const Tensor new_phi = ops::reference::basis(x, new_knots, wide_tau, spec).transpose(0, 1);
  return {new_phi.transpose(1, 2).matmul(new_phi), new_phi.transpose(1, 2).matmul(old_phi),
          old_phi.transpose(1, 2).matmul(old_phi)};
}

Tensor solve_ridge(const Gram& gram, const Tensor& old_coefficients, double ridge) {
  const Tensor penalty = ridge * at::eye(gram.new_new.size(1), gram.new_new.options());
  return at::linalg_solve(gram.new_new + penalty, gram.new_old.matmul(old_coefficients));
}

/// ‖Φ_new c_new - Φ_old c_old‖ / ‖Φ_old c_old‖, over all inputs and outputs together.
double relative_change(const Gram& gram, const Tensor& fresh, const Tensor& old) {
  const Tensor size = (old * gram.old_old.matmul(old)).sum();
  const Tensor difference =
      (fresh * gram.new_new.matmul(fresh)).sum() - 2 * (fresh * gram.new_old.matmul(old)).sum() + size;
  return std::sqrt(std::max(0.0, difference.item<double>()) / std::max(1e-300, size.item<double>()));
}

/// r·uniform + (1-r)·quantiles of each input's values, with ends [low, high] per input: [I,G+1] float64.
Tensor place_knots(const Tensor& x, const Tensor& low, const Tensor& high, int64_t intervals, double ratio) {
  const Tensor steps = at::linspace(0, 1, intervals + 1, x.options());
  const Tensor uniform = low.unsqueeze(1) + (high - low).unsqueeze(1) * steps;
  const Tensor quantiles = at::quantile(x, steps, 0).t().clamp(low.unsqueeze(1), high.unsqueeze(1));
  Tensor placed = ratio * uniform + (1 - ratio) * quantiles;
  placed.select(1, 0).copy_(low);
  placed.select(1, -1).copy_(high);
  // Knots that coincide (repeated inputs) would make zero-width pieces: each gap keeps a share of the uniform one.
  const Tensor gaps = at::maximum(placed.diff(1, 1), ((high - low) / static_cast<double>(intervals)).unsqueeze(1) * 0.02);
  const Tensor sums = gaps.cumsum(1);
  const Tensor scaled = low.unsqueeze(1) + sums / sums.slice(1, -1) * (high - low).unsqueeze(1);
  return at::cat({low.unsqueeze(1), scaled}, 1);
}

/// The domain of a generator layer: the range of its inputs, 5 % wider where nothing is defined outside.
std::pair<Tensor, Tensor> input_range(const Tensor& x, bool margin) {
  const Tensor low = std::get<0>(x.min(0)), high = std::get<0>(x.max(0));
  const Tensor width = (high - low).clamp_min(1e-3);
  const double share = margin ? 0.05 : 0.0;
  const Tensor middle = 0.5 * (low + high), half = (0.5 + share) * width;
  return {middle - half, middle + half};
}

/// Where the knots should be for inputs x (float64).
Tensor target_knots(const KanLayerImpl& layer, const Tensor& x, bool keep_ends) {
  const Tensor current = layer.knots.to(at::kDouble);
  const bool movable = has_movable_knots(layer.spec.kind);
  const auto [low, high] = keep_ends ? std::pair(current.select(1, 0), current.select(1, -1)) : input_range(x, !movable);
  const double ratio = movable ? layer.options.update_ratio : 1.0;
  return place_knots(x, low, high, layer.options.grid_size, ratio);
}

/// The samples, and evenly spaced points over both domains, so that the fit holds where no sample fell.
Tensor fit_points(const Tensor& x, const Tensor& old_knots, const Tensor& new_knots) {
  const Tensor low = at::minimum(old_knots.select(1, 0), new_knots.select(1, 0));
  const Tensor high = at::maximum(old_knots.select(1, -1), new_knots.select(1, -1));
  const Tensor steps = at::linspace(0, 1, 4 * old_knots.size(1), x.options()).unsqueeze(1);
  return at::cat({x, low + (high - low) * steps});
}

}  // namespace

Tensor refit_coefficients(const Tensor& points, const Tensor& old_knots, const Tensor& new_knots, const Tensor& tau,
                          const Tensor& coefficients, const ops::BasisSpec& spec, double ridge) {
  const c10::AutoGradMode no_grad(false);
  const Gram gram = gram_matrices(points, old_knots.to(at::kDouble), new_knots.to(at::kDouble), tau, spec);
  return solve_ridge(gram, coefficients.to(at::kDouble), ridge).to(coefficients.scalar_type());
}

GridUpdate KanLayerImpl::update_grid(const Tensor& x, bool keep_ends) {
  const c10::AutoGradMode no_grad(false);
  if (keep_ends && !has_movable_knots(spec.kind)) return {};
  const Tensor wide = x.to(at::kDouble), old_knots = knots.to(at::kDouble), old = coefficients.to(at::kDouble);
  const Tensor target = target_knots(*this, wide, keep_ends);
  GridUpdate done;
  double share = 1;
  for (int attempt = 0; attempt <= kMostHalvings; ++attempt, share /= 2) {
    // In the parameters' own precision from here on: what is tested is what will be used.
    const Tensor proposal = (old_knots + share * (target - old_knots)).to(knots.scalar_type()).to(at::kDouble);
    const Gram fit = gram_matrices(fit_points(wide, old_knots, proposal), old_knots, proposal, bandwidth(), spec);
    const Tensor fresh = solve_ridge(fit, old, options.ridge);
    const Gram seen = gram_matrices(wide, old_knots, proposal, bandwidth(), spec);
    if (relative_change(seen, fresh, old) <= kMostChange) {
      knots.copy_(proposal);
      coefficients.copy_(fresh);
      done.moved = 1;
      return done;
    }
    if (attempt < kMostHalvings) ++done.halved;
  }
  done.skipped = 1;
  return done;
}

void KanLayerImpl::initialise_grid(const Tensor& x, bool keep_ends) {
  const c10::AutoGradMode no_grad(false);
  if (!(keep_ends && !has_movable_knots(spec.kind))) knots.copy_(target_knots(*this, x.to(at::kDouble), keep_ends));
  draw_coefficients();
}

}  // namespace kaem
