#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "kaem/core/rng.h"
#include "kaem/core/shape.h"
#include "kaem/ops/gpu.h"
#include "kaem/posterior/options.h"

namespace torch::nn {
class Module;
}

namespace kaem {

struct ModelImpl;
struct ModelView;
namespace dist {
class Group;
}

/// What a posterior reports beside its samples; undefined where it has no meaning.
struct Diagnostics {
  at::Tensor ess;           ///< [B] effective sample size of the weights before resampling
  at::Tensor log_evidence;  ///< [B] log p̂(x_b) = logsumexp_s ℓ_bs - log S
  at::Tensor acceptance;    ///< [T] mean acceptance of the chain's moves
  at::Tensor swap_rate;     ///< [T] mean acceptance of exchanges between neighbouring levels, level 0 first
  at::Tensor barrier;       ///< [] Λ, the sum of the pairs' mean rejections
  at::Tensor round_trips;   ///< [] mean number of trips from level 0 to the last and back, per datum and chain
};

/// Samples of p(z|x) and their weights: B data, N samples of each.
struct Weighted {
  at::Tensor z;               ///< [B,N,latent...]; [1,N,latent...] if `shared`
  at::Tensor log_weight;      ///< [B,N], normalised over N; -inf where a resampler dropped the sample
  bool shared = false;        ///< the samples serve all data, each with weights of its own
  at::Tensor generated = {};  ///< of shared ones: g(z) before the activation, [N,D], with its graph; undefined: the
                              ///< criterion computes it
};

/// Chains at temperatures 0 < t_1 < ... < t_T = 1, and exact draws of the prior for level 0.
struct Tempered {
  at::Tensor z;                     ///< [T,B,N,latent...]
  at::Tensor log_likelihood;        ///< [T,B,N] log p(x|z), detached
  at::Tensor temperature;           ///< [T]
  at::Tensor prior_z;               ///< [S,latent...], shared by all data
  at::Tensor prior_log_likelihood;  ///< [B,S] of them, detached
};

/// Reparameterised draws of q(z|x), with their graphs.
struct Encoded {
  at::Tensor z;      ///< [B,N,latent...]
  at::Tensor log_q;  ///< [B,N] log q(z|x)
};

/// What a posterior makes of a batch; a criterion says which of it it needs (kaem/objective/criteria.h).
struct Particles {
  std::optional<Weighted> weighted;
  std::optional<Tempered> tempered;
  std::optional<Encoded> encoded;
  at::Tensor encoder_log_q;  ///< [B] mean of log q(z|x) under the samples' weights, with its graph: what trains an
                             ///< encoder that chains start from, or that proposes draws; undefined without one
  at::Tensor encoder_bound;  ///< [B] with the gradient of the evidence bound in the encoder's parameters alone, times
                             ///< its weight (its value says nothing); undefined without it
  Diagnostics info;
};

/// Data of one update.
struct Batch {
  at::Tensor x;      ///< [B,D] in [0,1], or word indices [B,L]
  at::Tensor index;  ///< int64 [B] numbers of the data in the training set (CPU); undefined for other data
};

/// A way of sampling p(z|x).
struct Posterior {
  virtual ~Posterior() = default;

  /// With gradients enabled `generated` and log q carry their graphs, so that nothing is computed twice.
  virtual Particles sample(const ModelView& view, const Batch& batch, int64_t step, const Rng& rng) = 0;

  /// After all parts of an update's batch were sampled: what the sampler keeps beside its module learns from them, from
  /// those of all processes of `group` (null: there is one) alike.
  virtual void settle(const dist::Group*) {}

  /// Puts what the host alone makes of update `step` where `sample` finds it: before a recorded `sample` is replayed.
  virtual void prepare(int64_t) {}

  virtual ops::Recordable recordable() const { return ops::Recordable::kNothing; }

  /// Module that is trained beside the model (the encoder); nullptr: none.
  virtual std::shared_ptr<torch::nn::Module> module() { return nullptr; }

  /// State beside the module's that a checkpoint keeps (chains, ladders), by name; the tensors are the posterior's own.
  virtual std::vector<std::pair<std::string, at::Tensor>> named_state() { return {}; }
};

/// What a posterior is made for.
struct PosteriorContext {
  DataShape shape{};                ///< of one datum
  int64_t train_size = 0;           ///< data whose chains persist; 0: none can
  int64_t total_steps = 1;          ///< updates in all: the temperature schedule's length
  std::string storage_folder = {};  ///< where large chain states are mapped from disk; empty: memory
  at::TensorOptions options;        ///< dtype and device of the model
};

std::unique_ptr<Posterior> make_posterior(const PosteriorOptions& options, ModelImpl& model,
                                          const PosteriorContext& context, const Rng& rng);

}  // namespace kaem
