#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "kaem/core/options.h"
#include "kaem/kan/options.h"

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
          .min = 0,
          .reference = "an L1 norm of the proportions"},
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
  std::string energies = "kan";                  ///< kan | symbolic
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
          .choices = {"ebm", "uniform", "gaussian", "lognormal", "learnable_gaussian", "kl_gaussian"},
          .reference = "gaussian lies on -1.2,1.2 whatever grid_range says; kl_gaussian, nowhere defined, is taken as "
                       "gaussian"},
      o.reference);
    v(Key{.name = "energies",
          .help = "Energies of the prior: kan, edges of a KAN layer; symbolic, the closed forms that kaem symbolic has "
                  "written into a run, which are not trained (0 in a new run)",
          .choices = {"kan", "symbolic"}},
      o.energies);
    v(Key{.name = "GaussQuad_nodes",
          .help = "Least number of cells of the table that serves normaliser and sampler",
          .min = 8,
          .max = 65536,
          .reference = "Gauss-Legendre nodes over the whole domain"},
      o.quadrature_nodes);
    v(Key{.name = "uniforms",
          .help = "Uniform draws behind the prior's samples",
          .choices = {"independent", "sobol", "latin"}},
      o.uniforms);
    v(Key{.name = "layernorm",
          .help = "Layer norm before each KAN layer of a deep prior",
          .aliases = {"layer_norm"},
          .reference = "also in a univariate prior, whose coordinates it couples: its sampler is not exact then"},
      o.layernorm);
    BasisOptions::visit(o.basis, v);
  }
};

}  // namespace kaem
