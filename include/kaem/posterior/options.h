#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <string_view>
#include <vector>

#include "kaem/core/options.h"
#include "kaem/posterior/samplers.h"

namespace kaem {

/// Chains at several temperatures ([THERMODYNAMIC_INTEGRATION]). docs/mathematics.md section 5.
struct TemperingOptions {
  int64_t levels = 0;  ///< N_t; 0 or 1: no tempering
  double p_start = 2;  ///< exponent of t_k = (k/N_t)^p at the start of training ...
  double p_end = 0.5;  ///< ... and at its end
  double cycles = 0;
  int64_t iters = 40;              ///< steps of each chain, an exchange after each
  std::string exchange = "deo";    ///< deo | random | none
  std::string schedule = "power";  ///< power | adaptive

  template <class Self, class V>
  static void visit(Self& o, V&& v) {
    v(Key{.name = "num_temps",
          .help = "Temperatures N_t of the chains; 1 or less: no tempering",
          .min = -1,
          .max = 1000},
      o.levels);
    v(Key{.name = "p_start",
          .help = "Exponent of the temperatures (k/N_t)^p at the start of training",
          .min = 0,
          .min_open = true},
      o.p_start);
    v(Key{.name = "p_end", .help = "Exponent at its end", .min = 0, .min_open = true}, o.p_end);
    v(Key{.name = "num_cycles", .help = "Cycles of the exponent on the way; 0: half a cosine", .min = 0}, o.cycles);
    v(Key{.name = "N_langevin_per_temp",
          .help = "Steps of each tempered chain, an exchange after each",
          .min = 1,
          .max = 1e6},
      o.iters);
    v(Key{.name = "exchange_type",
          .help = "Which neighbours try to exchange: even and odd pairs in turn (deo), by a coin (random), or none",
          .choices = {"deo", "random", "none"}},
      o.exchange);
    v(Key{.name = "schedule",
          .help = "Temperatures by the exponent (power), or at equal steps of the measured rejection (adaptive)",
          .choices = {"power", "adaptive"}},
      o.schedule);
  }
};

/// Encoder q(z|x) ([Encoder]).
struct EncoderOptions {
  std::string type = "diagonal";             ///< diagonal (dense layers) | cnn
  std::vector<int64_t> widths = {256, 128};  ///< hidden dense layers
  std::vector<int64_t> channels = {32, 64, 128};
  std::vector<int64_t> strides = {2}, kernels = {4}, paddings = {1};
  bool batch_norm = false;
  std::string activation = "gelu";
  double bound_weight = 1;

  template <class Self, class V>
  static void visit(Self& o, V&& v) {
    v(Key{.name = "type",
          .help =
              "Layers of the encoder: dense ones (diagonal), or convolutions before them (cnn); its distribution is a "
              "diagonal Gaussian either way",
          .choices = {"diagonal", "dense", "cnn"}},
      o.type);
    v(Key{.name = "widths", .help = "Widths of the hidden dense layers", .min = 1, .max = 1e6}, o.widths);
    v(Key{.name = "channels",
          .help = "Channels of the convolutions",
          .aliases = {"hidden_feature_dims"},
          .min = 1,
          .max = 65536},
      o.channels);
    v(Key{.name = "strides", .help = "Strides of the convolutions: one each, or one for all", .min = 1, .max = 64},
      o.strides);
    v(Key{.name = "kernel_sizes", .help = "Kernel sizes, likewise", .min = 1, .max = 64}, o.kernels);
    v(Key{.name = "paddings", .help = "Paddings, likewise", .min = 0, .max = 64}, o.paddings);
    v(Key{.name = "batchnorm", .help = "Batch norm after each convolution"}, o.batch_norm);
    v(Key{.name = "activation", .help = "Activation between layers"}, o.activation);
    v(Key{.name = "bound_weight",
          .help = "Weight of the evidence bound beside log q of the posterior's samples in what trains the encoder of "
                  "sampler = proposal and of chain_start = encoder; 0: the samples alone",
          .min = 0},
      o.bound_weight);
  }
};

/// How expectations under p(z|x) are taken ([POST_LANGEVIN]). docs/mathematics.md section 4.
struct PosteriorOptions {
  std::string sampler = "importance";  ///< of sampler_names()
  int64_t samples = 100;               ///< S ([TRAINING] importance_sample_size; absent: batch_size)
  std::string resampler = "residual";  ///< [GeneratorModel] resampler
  double resampling_threshold = 0.5;   ///< ESS below this share of S resamples ([TRAINING])

  double step_size = 1e-3;                             ///< η
  double pcnl_delta = 1e-2;                            ///< δ
  std::vector<double> step_size_bounds = {1e-7, 1.0};  ///< autoMALA's η
  double change_rate = 2;                              ///< ... and its factor
  int64_t iters = 40;
  int64_t unadjusted = 0;  ///< first steps without acceptance
  int64_t chains_per_datum = 1;
  std::string chain_start = "prior";    ///< prior | base | persistent | encoder | proposal
  double replay_share = 1;              ///< of persistent chains: those that go on from where they were
  std::string preconditioner = "auto";  ///< auto | none | prior | encoder
  double defensive_share = 0.2;         ///< of proposal's draws: those of the prior
  int64_t kept_draws = 8;               ///< of each datum, chosen by their weights, that the generator is trained on
  TemperingOptions tempering = {};
  EncoderOptions encoder = {};

  /// Whether chains start from an encoder or take its scales.
  bool chains_use_encoder() const {
    return chain_start == "encoder" || chain_start == "proposal" || preconditioner == "encoder";
  }
  bool uses_encoder() const {
    const SamplerKind kind = sampler_kind(sampler);
    return kind == SamplerKind::kChains ? chains_use_encoder() : kind != SamplerKind::kImportance;
  }

  /// Whether draws of an encoder and of the prior have weights, and how many of them are the prior's.
  bool proposes() const {
    const SamplerKind kind = sampler_kind(sampler);
    return kind == SamplerKind::kProposal || (kind == SamplerKind::kChains && chain_start == "proposal");
  }
  int64_t prior_draws() const {
    return std::max<int64_t>(1, std::llround(defensive_share * static_cast<double>(samples)));
  }

  /// Whether a key of [POST_LANGEVIN] has an effect beside the others.
  bool uses(std::string_view key) const;

  /// Whether prior draws have weights, all of a batch the same ones: that needs the prior's density, and p(x|z) of
  /// every pair.
  bool weighs_prior_draws() const {
    const SamplerKind kind = sampler_kind(sampler);
    return kind == SamplerKind::kChains ? chain_start == "proposal" : kind != SamplerKind::kEncoder;
  }

  /// [POST_LANGEVIN]
  template <class Self, class V>
  static void visit(Self& o, V&& v) {
    v(Key{.name = "sampler",
          .help = "How p(z|x) is sampled. importance: weighted prior draws. proposal: weighted draws of a learned "
                  "encoder and of the prior. ula, mala, automala, pcnl: Markov chains. encoder: its draws as they are "
                  "(mode variational)",
          .choices = sampler_names()},
      o.sampler);
    v(Key{.name = "ula_η",
          .help = "Step size η of ula and mala; where automala's search starts",
          .aliases = {"ula_eta", "initial_step_size"},
          .min = 0,
          .min_open = true},
      o.step_size);
    v(Key{.name = "pcnl_δ", .help = "Step size δ of pcnl", .aliases = {"pcnl_delta"}, .min = 0, .min_open = true},
      o.pcnl_delta);
    v(Key{.name = "step_size_bounds",
          .help = "Least and greatest η of automala: two ascending numbers",
          .min = 0,
          .min_open = true},
      o.step_size_bounds);
    v(Key{.name = "autoMALA_η_changerate",
          .help = "Factor by which automala changes η in its search",
          .aliases = {"autoMALA_eta_changerate"},
          .min = 1,
          .min_open = true},
      o.change_rate);
    v(Key{.name = "iters", .help = "Steps of each chain", .min = 1, .max = 1e6}, o.iters);
    v(Key{.name = "N_unadjusted",
          .help = "First steps of mala and automala that are accepted without a test",
          .min = 0},
      o.unadjusted);
    v(Key{.name = "chains_per_datum", .help = "Chains of each data point", .min = 1, .max = 1e5}, o.chains_per_datum);
    v(Key{.name = "chain_start",
          .help = "Where chains start: fresh prior draws (base: of the π_0 that a deep prior tilts), the state kept "
                  "for each training data point, draws of an encoder, or such draws and the prior's chosen by their "
                  "weights "
                  "at the chain's temperature, as sampler = proposal makes them (proposal)",
          .choices = {"prior", "base", "persistent", "encoder", "proposal"}},
      o.chain_start);
    v(Key{.name = "replay_share",
          .help =
              "Share of the persistent chains that go on from where they were; the others start anew from the prior",
          .min = 0,
          .max = 1},
      o.replay_share);
    v(Key{.name = "preconditioner",
          .help =
              "Scales s of the coordinates in steps of ula, mala and automala: the prior's deviations (prior), those "
              "of an encoder for each data point, so that η is relative to the posterior (encoder), or 1 (none); auto: "
              "prior of automala, none of the others",
          .choices = {"auto", "none", "prior", "encoder"}},
      o.preconditioner);
    v(Key{.name = "defensive_share",
          .help =
              "Share of the draws of sampler = proposal and of chain_start = proposal that are the prior's, at least "
              "one of them; of [TRAINING] importance_sample_size draws one at least must be the encoder's",
          .min = 0,
          .max = 1,
          .min_open = true},
      o.defensive_share);
    v(Key{.name = "kept_draws",
          .help = "Draws of each data point, chosen by their weights, that proposal trains the generator on",
          .min = 1,
          .max = 1e5},
      o.kept_draws);
  }
};

}  // namespace kaem
