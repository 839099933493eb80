#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "kaem/posterior/posterior.h"

namespace kaem {

struct ObjectiveOptions {
  std::string kind = "importance";
};

/// A loss and what it is made of.
struct Terms {
  at::Tensor total;                                       ///< scalar, differentiable
  std::vector<std::pair<std::string, at::Tensor>> named;  ///< detached scalars for metrics.csv, in a fixed order
};

/// A training criterion. docs/mathematics.md section 6.
struct Objective {
  virtual ~Objective() = default;

  /// x [B,D] and its particles -> loss.
  virtual Terms evaluate(ModelImpl& model, const at::Tensor& x, const Particles& particles, int64_t step,
                         const Rng& rng) = 0;
};

std::unique_ptr<Objective> make_objective(const ObjectiveOptions& options);

}  // namespace kaem
