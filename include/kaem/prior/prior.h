#pragma once

#include <torch/nn/module.h>

#include <memory>
#include <string>
#include <vector>

#include "kaem/core/rng.h"
#include "kaem/kan/layer.h"
#include "kaem/prior/options.h"

namespace kaem {

/// Density of the prior at points, per component: all [K,Q,P] but z [K].
struct PriorCurves {
  at::Tensor z, energy, log_reference, density, cdf;
};

/// A prior over latents. Sampling, density and distribution function stand together.
struct Prior : torch::nn::Module {
  /// Shape of one latent: [Q,P] for the univariate prior, [Q] for the mixture, [n] for the deep prior.
  virtual std::vector<int64_t> latent_shape() const = 0;

  /// True if log_prob is normalised and `sample` exact; false for the deep prior (log Z unknown, draws by Langevin).
  virtual bool normalised() const { return true; }

  /// n independent draws [n, latent...] by inverse transform, with indices first_index... (no gradient). A deep prior's
  /// are Langevin chains: the same call gives the same draws, but chunks need not add up to one big call.
  virtual at::Tensor sample(int64_t n, const Rng& rng, Stream stream, int64_t step, int64_t first_index = 0) = 0;

  /// log p(z): z [n, latent...] -> [n], up to log Z if not `normalised`; differentiable in the parameters and z.
  virtual at::Tensor log_prob(const at::Tensor& z) = 0;

  /// ∇_z log p(z) without an autograd graph: z [n, latent...] -> the same shape.
  virtual at::Tensor score(const at::Tensor& z) = 0;

  /// The scalar whose gradient trains the prior: mean log p under weights, Σ_n weight_n log p(z_n) (weights [n] sum to
  /// 1). With contrastive divergence the normaliser's gradient comes from `negative` draws instead of the table.
  virtual at::Tensor weighted_log_prob(const at::Tensor& z, const at::Tensor& weight, const Rng& rng, int64_t step) = 0;

  /// Penalty on the prior's own parameters that the loss adds (λ_reg of the mixture), differentiable; undefined: none.
  virtual at::Tensor penalty() { return {}; }

  /// Distribution functions of the coordinates at z [n, latent...] -> the same shape. Error if not `normalised`.
  virtual at::Tensor cdf(const at::Tensor& z) = 0;

  /// Their inverses: u [n, latent...] in (0,1) -> z (no gradient).
  virtual at::Tensor icdf(const at::Tensor& u) = 0;

  /// True if there are coordinates y in which this prior is N(0,I), or N(0,I) times exp(white_residual).
  virtual bool can_whiten() const { return true; }
  /// y [n, latent...] -> z and dz/dy, coordinate by coordinate (no gradient): z = F⁻¹(Φ(y)), dz/dy = φ(y)/p(z).
  virtual std::pair<at::Tensor, at::Tensor> from_white(const at::Tensor& y) = 0;
  /// z -> y = Φ⁻¹(F(z)), within ±Φ⁻¹(1 - 2⁻²⁴).
  virtual at::Tensor to_white(const at::Tensor& z) = 0;
  /// log p(z) - log N(y; 0, I) up to a constant, [n], and its gradient with respect to z; undefined: nothing is left.
  virtual std::pair<at::Tensor, at::Tensor> white_residual(const at::Tensor&) { return {}; }

  /// A prior that is not `normalised` is p ∝ p0 exp f with a density p0 that is: exact draws of p0, log p0 with its
  /// score, and f with its gradient (no graphs): z [n, latent...] -> [n] and as z. Error for the others.
  virtual at::Tensor sample_base(int64_t n, const Rng& rng, Stream stream, int64_t step, int64_t first_index = 0);
  virtual std::pair<at::Tensor, at::Tensor> base_density(const at::Tensor& z);
  virtual std::pair<at::Tensor, at::Tensor> tilt(const at::Tensor& z);

  /// Curves of the univariate components at `points` evenly spaced z. Error for a deep prior, which has none.
  virtual PriorCurves curves(int64_t points) = 0;

  virtual GridUpdate update_grid(const at::Tensor& z) = 0;
  virtual void initialise_grid() {}

  /// Moves running statistics that change between updates only (attention's), after update `step`.
  virtual void update_statistics(const Rng&, int64_t) {}

  /// Parameters may have changed: what was derived from them (tables) is made anew when next needed.
  virtual void invalidate() = 0;

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
