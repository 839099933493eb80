#pragma once

#include <torch/nn/module.h>

#include <memory>
#include <string>
#include <vector>

#include "kaem/core/rng.h"
#include "kaem/kan/layer.h"

namespace kaem {

/// The mixture prior, section [MixtureModel]. docs/mathematics.md section 2.
struct MixtureOptions {
  bool enabled = false;               ///< use_mixture_prior
  bool train_proportions = false;     ///< logits of the proportions are parameters
  bool use_attention_kernel = false;  ///< proportions from queries, keys and the draws' second moment
  double lambda_reg = 0;              ///< λ_reg of the entropy penalty

  template <class Self, class V>
  static void visit(Self& o, V&& v) {
    v(Key{.name = "use_mixture_prior",
          .help = "Each latent coordinate is a mixture of P components instead of a sum of P coordinates",
          .aliases = {"mixture_model"}},
      o.enabled);
    v(Key{.name = "train_proportions", .help = "Train the mixture's proportions; false: they are equal"},
      o.train_proportions);
    v(Key{.name = "use_attention_kernel", .help = "Proportions from trained queries and keys"}, o.use_attention_kernel);
    v(Key{.name = "λ_reg",
          .help = "Weight of the proportions' entropy in the loss: above 0 it favours few components",
          .aliases = {"lambda_reg"},
          .min = 0},
      o.lambda_reg);
  }
};

/// Langevin sampling of the deep prior, section [PRIOR_LANGEVIN].
struct DeepOptions {
  double step_size = 0.16;  ///< η of the unadjusted Langevin steps
  int64_t iters = 60;

  template <class Self, class V>
  static void visit(Self& o, V&& v) {
    v(Key{.name = "step_size", .help = "Step size η of the deep prior's Langevin sampler", .min = 0, .min_open = true},
      o.step_size);
    v(Key{.name = "iters", .help = "Its number of steps", .min = 0, .max = 1e6}, o.iters);
  }
};

/// The latent prior, section [EbmModel] of the configuration. docs/mathematics.md section 2.
struct PriorOptions {
  std::vector<int64_t> layer_widths = {40, 81};  ///< P, Q
  std::string reference = "ebm";                 ///< π0
  int64_t quadrature_nodes = 200;                ///< least number of table cells
  std::string uniforms = "independent";          ///< independent | sobol | latin
  bool contrastive_divergence = false;           ///< normaliser's gradient from prior samples ([TRAINING])
  bool layernorm = false;                        ///< layer norm before each KAN layer (deep prior only)
  BasisOptions basis = {};
  MixtureOptions mixture = {};  ///< [MixtureModel]
  DeepOptions deep = {};        ///< [PRIOR_LANGEVIN]

  /// More than two widths make a deep prior: the energy is a KAN network's output.
  bool is_deep() const { return layer_widths.size() > 2; }

  template <class Self, class V>
  static void visit(Self& o, V&& v) {
    v(Key{.name = "layer_widths",
          .help = "P, Q: inputs and outputs of the prior's KAN layer (Q = 2P+1 in the Kolmogorov-Arnold theorem); more "
                  "widths: a deep prior on as many coordinates as the first says",
          .min = 1,
          .max = 1e6},
      o.layer_widths);
    v(Key{.name = "π_0",
          .help = "Reference density that the energies tilt",
          .aliases = {"pi_0"},
          .choices = {"ebm", "uniform", "gaussian", "lognormal", "learnable_gaussian", "kl_gaussian"}},
      o.reference);
    v(Key{.name = "GaussQuad_nodes",
          .help = "Least number of cells of the table that serves normaliser and sampler",
          .min = 8,
          .max = 65536},
      o.quadrature_nodes);
    v(Key{.name = "uniforms",
          .help = "Uniform draws behind the prior's samples",
          .choices = {"independent", "sobol", "latin"}},
      o.uniforms);
    v(Key{.name = "layernorm", .help = "Layer norm before each KAN layer of a deep prior", .aliases = {"layer_norm"}},
      o.layernorm);
    BasisOptions::visit(o.basis, v);
  }
};

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
