#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "kaem/core/rng.h"
#include "kaem/metrics/log_likelihood.h"
#include "kaem/model/model.h"

namespace kaem::symbolic {

/// A number of components without energy, those that say least first, and what it costs.
struct Cut {
  int64_t count = 0;
  metrics::Change change;
};

/// Which components of a model's prior matter: what log p(x) of data becomes when their energies are 0. All changes
/// are measured with the same uniforms. The model is as it was after each call but `apply`.
class Pruning {
 public:
  /// x [B,D] on the model's device. UsageError: a deep prior.
  Pruning(ModelImpl& model, const at::Tensor& x, int64_t samples, const Rng& rng);

  /// KL(p_qp|π0), float64 [Q,P], and the components q·P + p by it, least first: int64 [QP]. Energies that are 0 come
  /// first.
  const at::Tensor& divergence() const { return divergence_; }
  const at::Tensor& order() const { return order_; }

  /// log p(x) as it is.
  metrics::LogLikelihood before() const { return metrics::importance_log_likelihood(log_weights_); }

  /// The change of log p(x) when the energies of `which` (bool [Q,P]) are 0.
  metrics::Change change(const at::Tensor& which) const;

  /// Sets them to 0 for good.
  void apply(const at::Tensor& which);

  /// The first `count` of `order`, bool [Q,P].
  at::Tensor least(int64_t count) const;

  /// The largest number of least components whose loss of log p(x), mean over the data, is at most `threshold` nats:
  /// by bisection, as if the loss rose with the number. All numbers that were tried, ascending; `found` is one of them.
  struct Search {
    int64_t found = 0;
    std::vector<Cut> tried;
  };
  Search search(double threshold) const;

 private:
  ModelImpl& model_;
  at::Tensor x_;
  int64_t samples_;
  Rng rng_;
  at::Tensor divergence_, order_, log_weights_;
};

}  // namespace kaem::symbolic
