// Grid updates: knots follow the inputs, coefficients are refitted so that the curves stay. docs/mathematics.md
// section 1.
#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <cmath>

#include "kaem/kan/layer.h"

namespace kaem {
namespace {

using at::Tensor;

constexpr int kMostHalvings = 5;
constexpr int64_t kMostPoints = 1000;
constexpr int64_t kMostQuantiled = int64_t{1} << 24;  // rows: at::quantile takes no more
constexpr double kMostChange = 0.01;  ///< relative RMS change of the curves that a grid update may cause

/// Products of the old and new features over some points: all that a refit and its error need.
struct Gram {
  Tensor new_new, new_old, old_old;  ///< [I,G',G'] float64
};

/// Points and their old features, for the products with any proposal of new knots.
struct Points {
  Points(Tensor at_points, const Tensor& old_knots, const Tensor& bandwidth, ops::BasisSpec basis)
      : x(std::move(at_points)), tau(bandwidth), spec(basis) {
    spec.activation = ops::Activation::kNone;  // the base branch does not depend on the grid
    old_phi = features(old_knots);
    old_old = old_phi.transpose(1, 2).matmul(old_phi);
  }
  Tensor features(const Tensor& knots) const {
    return ops::reference::basis(x, knots, tau, spec).transpose(0, 1).contiguous();  // [I,N,G']
  }
  Gram products(const Tensor& new_knots) const {
    const Tensor new_phi = features(new_knots), transposed = new_phi.transpose(1, 2);
    return {transposed.matmul(new_phi), transposed.matmul(old_phi), old_old};
  }

  Tensor x, tau;
  ops::BasisSpec spec;
  Tensor old_phi, old_old;
};

Gram operator+(const Gram& a, const Gram& b) {
  return {a.new_new + b.new_new, a.new_old + b.new_old, a.old_old + b.old_old};
}

/// T [I,G',G'] with c_new = T c_old: the float64 minimiser of ‖Φ_new c - Φ_old c_old‖² + ridge ‖c‖².
Tensor refit_matrix(const Gram& gram, double ridge) {
  const Tensor penalty = ridge * at::eye(gram.new_new.size(1), gram.new_new.options());
  return at::linalg_solve(gram.new_new + penalty, gram.new_old);
}

/// ‖Φ_new T c - Φ_old c‖ / ‖Φ_old c‖ over all inputs and outputs together, from C = c cᵀ [I,G',G'].
double relative_change(const Gram& gram, const Tensor& refit, const Tensor& outer) {
  const Tensor back = refit.transpose(1, 2);
  const Tensor error = back.matmul(gram.new_new.matmul(refit)) - 2 * back.matmul(gram.new_old) + gram.old_old;
  const double size = (gram.old_old * outer).sum().item<double>(), change = (error * outer).sum().item<double>();
  return std::sqrt(std::max(0.0, change) / std::max(1e-300, size));
}

/// r·uniform + (1-r)·quantiles of each input's values, with ends [low, high] per input: [I,G+1] float64.
Tensor place_knots(const Tensor& x, const Tensor& low, const Tensor& high, int64_t intervals, double ratio) {
  const Tensor steps = at::linspace(0, 1, intervals + 1, x.options());
  const Tensor uniform = low.unsqueeze(1) + (high - low).unsqueeze(1) * steps;
  const int64_t stride = (x.size(0) + kMostQuantiled - 1) / kMostQuantiled;
  const Tensor quantiles =
      at::quantile(x.slice(0, 0, x.size(0), stride), steps, 0).t().clamp(low.unsqueeze(1), high.unsqueeze(1));
  Tensor placed = ratio * uniform + (1 - ratio) * quantiles;
  placed.select(1, 0).copy_(low);
  placed.select(1, -1).copy_(high);
  // Knots that coincide (repeated inputs) would make zero-width pieces: each gap keeps a share of the uniform one.
  const Tensor gaps =
      at::maximum(placed.diff(1, 1), ((high - low) / static_cast<double>(intervals)).unsqueeze(1) * 0.02);
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

/// Where the knots should be for inputs x (float64); of wavelets, even ones over the domain.
Tensor target_knots(const KanLayerImpl& layer, const Tensor& x, bool keep_ends) {
  const Tensor current = layer.ends_buffer().to(at::kDouble);
  const bool movable = has_movable_knots(layer.spec.kind);
  const auto [low, high] =
      keep_ends ? std::pair(current.select(1, 0), current.select(1, -1)) : input_range(x, !movable);
  const double ratio = movable ? layer.options.update_ratio : 1.0;
  return place_knots(x, low, high, layer.options.grid_size, ratio);
}

/// Evenly spaced points over both domains, so that the fit holds where no sample fell: [4(G+1),I].
Tensor even_points(const Tensor& old_knots, const Tensor& new_knots) {
  const Tensor low = at::minimum(old_knots.select(1, 0), new_knots.select(1, 0));
  const Tensor high = at::maximum(old_knots.select(1, -1), new_knots.select(1, -1));
  const Tensor steps = at::linspace(0, 1, 4 * old_knots.size(1), old_knots.options()).unsqueeze(1);
  return low + (high - low) * steps;
}

/// At most kMostPoints rows, evenly taken: more make the products dearer and the fit no better.
Tensor thin(const Tensor& x) {
  const int64_t stride = (x.size(0) + kMostPoints - 1) / kMostPoints;
  return x.slice(0, 0, x.size(0), stride);
}

}  // namespace

Tensor refit_coefficients(const Tensor& points, const Tensor& old_knots, const Tensor& new_knots, const Tensor& tau,
                          const Tensor& coefficients, const ops::BasisSpec& spec, double ridge) {
  const c10::AutoGradMode no_grad(false);
  const Points seen(points.to(at::kDouble), old_knots.to(at::kDouble), tau.to(at::kDouble), spec);
  const Tensor refit = refit_matrix(seen.products(new_knots.to(at::kDouble)), ridge);
  return refit.matmul(coefficients.to(at::kDouble)).to(coefficients.scalar_type());
}

GridUpdate KanLayerImpl::update_grid(const Tensor& x, bool keep_ends) {
  const c10::AutoGradMode no_grad(false);
  if (has_trainable_knots() || (keep_ends && !has_movable_knots(spec.kind))) return {};
  const Tensor wide = x.to(at::kDouble), old_knots = knots_.to(at::kDouble), old = coefficients.to(at::kDouble);
  const Tensor tau_now = bandwidth().to(at::kDouble), target = target_knots(*this, wide, keep_ends);
  if (at::equal(target, old_knots)) return {};  // one interval between fixed ends
  const Points samples(thin(wide), old_knots, tau_now, spec),
      between(even_points(old_knots, target), old_knots, tau_now, spec);
  const Tensor outer = old.matmul(old.transpose(1, 2));
  GridUpdate done;
  double share = 1;
  for (int attempt = 0; attempt <= kMostHalvings; ++attempt, share /= 2) {
    // In the parameters' own precision from here on: what is tested is what will be used.
    const Tensor proposal = (old_knots + share * (target - old_knots)).to(knots_.scalar_type()).to(at::kDouble);
    const Gram seen = samples.products(proposal);
    const Tensor refit = refit_matrix(seen + between.products(proposal), options.ridge);
    if (relative_change(seen, refit, outer) <= kMostChange) {
      knots_.copy_(proposal);
      coefficients.copy_(refit.matmul(old));
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
  if (!keep_ends || has_movable_knots(spec.kind)) set_knots(target_knots(*this, x.to(at::kDouble), keep_ends));
  draw_coefficients();
}

}  // namespace kaem
