#pragma once

#include <torch/nn/module.h>

#include <memory>
#include <string>
#include <vector>

#include "kaem/core/rng.h"
#include "kaem/kan/layer.h"
#include "kaem/ops/gpu.h"
#include "kaem/prior/options.h"

namespace kaem {

struct PriorCurves;

/// Distribution functions of single coordinates, which a prior that is sampled by inverse transform has.
struct CoordinateDistribution {
  virtual ~CoordinateDistribution() = default;

  /// z [n, latent...] -> the same shape.
  virtual at::Tensor cdf(const at::Tensor& z) const = 0;

  /// Their inverses: u [n, latent...] in (0,1) -> z (no gradient).
  virtual at::Tensor icdf(const at::Tensor& u) const = 0;

  /// The table that both are read from, a component for each coordinate in the order of one latent (of z [Q,P]: q
  /// outermost). Lives as long as this; null where they are known without one.
  virtual const ops::InverseTable* table() const { return nullptr; }

  /// Curves of the univariate components at `points` evenly spaced z.
  virtual PriorCurves curves(int64_t points) const = 0;
};

/// Coordinates y in which a prior is N(0,I), or N(0,I) times exp of `residual`.
struct WhiteCoordinates {
  virtual ~WhiteCoordinates() = default;

  /// y [n, latent...] -> z and dz/dy, coordinate by coordinate (no gradient): z = F⁻¹(Φ(y)), dz/dy = φ(y)/p(z).
  virtual std::pair<at::Tensor, at::Tensor> to_latent(const at::Tensor& y) const = 0;

  /// z -> y = Φ⁻¹(F(z)), within ±Φ⁻¹(1 - 2⁻²⁴).
  virtual at::Tensor to_white(const at::Tensor& z) const = 0;

  /// log p(z) - log N(y; 0, I) up to a constant, [n], and its gradient with respect to z; undefined: nothing is left.
  virtual std::pair<at::Tensor, at::Tensor> residual(const at::Tensor&) const { return {}; }
};

/// p ∝ p0 exp f of a prior that is not normalised, with a density p0 that is: annealed importance sampling starts
/// there.
struct TiltedBase {
  virtual ~TiltedBase() = default;

  /// Exact draws of p0, as PriorView::sample.
  virtual at::Tensor sample_base(int64_t n, const Rng& rng, Stream stream, int64_t step,
                                 int64_t first_index = 0) const = 0;

  /// log p0 and its score; f and its gradient (no graphs): z [n, latent...] -> [n] and as z.
  virtual std::pair<at::Tensor, at::Tensor> base_density(const at::Tensor& z) const = 0;
  virtual std::pair<at::Tensor, at::Tensor> tilt(const at::Tensor& z) const = 0;
};

/// A prior at the parameters that it has when the view is made, with what is derived from them alone: folded weights,
/// tables, constants, each made once, when first asked for. Where gradients are enabled when the view is made, these
/// carry a graph, which serves one backward pass: a view belongs to one update and ends with it. Refers to its prior;
/// Error if a parameter was written to since.
///
/// Sampling, density and distribution function stand together. Not for several threads at once.
struct PriorView {
  virtual ~PriorView() = default;

  /// n independent draws [n, latent...] by inverse transform, with indices first_index... (no gradient). A deep prior's
  /// are Langevin chains: the same call gives the same draws, but chunks need not add up to one big call.
  virtual at::Tensor sample(int64_t n, const Rng& rng, Stream stream, int64_t step, int64_t first_index = 0) const = 0;

  /// Draws `first`... of those that `sample` makes of `all`: n of them, to rounding.
  virtual at::Tensor sample_part(int64_t n, int64_t first, int64_t /*all*/, const Rng& rng, Stream stream, int64_t step,
                                 int64_t first_index = 0) const {
    return sample(n, rng, stream, step, first_index + first);
  }

  /// log p(z): z [n, latent...] -> [n], up to log Z if the prior is not `normalised`; differentiable in the parameters
  /// and z.
  virtual at::Tensor log_prob(const at::Tensor& z) const = 0;

  /// ∇_z log p(z) without an autograd graph: z [n, latent...] -> the same shape.
  virtual at::Tensor score(const at::Tensor& z) const = 0;

  /// The scalar whose gradient trains the prior: mean log p under weights, Σ_n weight_n log p(z_n) (weights [n] sum to
  /// 1). With contrastive divergence the normaliser's gradient comes from `negative` draws instead of the table.
  virtual at::Tensor weighted_log_prob(const at::Tensor& z, const at::Tensor& weight, const Rng& rng,
                                       int64_t step) const = 0;

  /// What not every prior has; null where it is missing. Of a deep prior: no distribution; white coordinates if π0 is
  /// Gaussian; a tilted base, which the others lack.
  virtual const CoordinateDistribution* distribution() const { return nullptr; }
  virtual const WhiteCoordinates* white() const { return nullptr; }
  virtual const TiltedBase* tilted() const { return nullptr; }
};

/// A prior over latents: its parameters and what depends on its geometry alone.
struct Prior : torch::nn::Module {
  /// The prior at its present parameters.
  virtual std::shared_ptr<const PriorView> view() = 0;

  /// Shape of one latent: [Q,P] for the univariate prior, [Q] for the mixture, [n] for the deep prior.
  virtual std::vector<int64_t> latent_shape() const = 0;

  /// True if log_prob is normalised and `sample` exact; false for the deep prior (log Z unknown, draws by Langevin).
  virtual bool normalised() const { return true; }

  /// Penalty on the prior's own parameters that the loss adds (λ_reg of the mixture), differentiable; undefined: none.
  virtual at::Tensor penalty() { return {}; }

  virtual GridUpdate update_grid(const at::Tensor& z) = 0;
  virtual void initialise_grid() {}

  /// Sets f_qp = 0 where `which` (bool [Q,P], on the prior's device) is true. UsageError: a deep prior, which has no
  /// such energies.
  virtual void set_flat(const at::Tensor& which);

  virtual ops::Recordable recordable() const = 0;

  /// Moves running statistics that change between updates only (attention's), after update `step`.
  virtual void update_statistics(const Rng&, int64_t) {}

  /// Maps draws [n, latent...] to what the generator receives, [n, Q] (Σ_p z_qp for the univariate prior, less its mean
  /// under π0).
  virtual at::Tensor features(const at::Tensor& z) const = 0;

  /// Vector-Jacobian product of `features`: grad [n,Q] -> [n, latent...] (no gradient).
  virtual at::Tensor features_pullback(const at::Tensor& grad) const = 0;

  /// Lower and upper end of the domain, infinite if there is none.
  virtual std::pair<double, double> domain() const = 0;
};

std::shared_ptr<Prior> make_prior(const PriorOptions& options, const Rng& rng);

}  // namespace kaem
