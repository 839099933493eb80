#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "kaem/core/error.h"
#include "kaem/objective/options.h"
#include "kaem/posterior/posterior.h"

namespace kaem {

/// What a number of an update is, beside its name: training looks at some of them.
enum class Measure {
  kTerm,
  kEss,         ///< effective sample size
  kAcceptance,  ///< of the chains' moves
  kSwapRate,    ///< of exchanges of level i and i + 1, in the levels' order; NaN where none was tried
  kBarrier,     ///< Σ (1 - swap rate)
};

/// A detached scalar.
struct Term {
  std::string name;
  at::Tensor value;
  Measure measure = Measure::kTerm;
};

/// A loss and what it is made of.
struct Terms {
  at::Tensor total;         ///< scalar, differentiable
  std::vector<Term> named;  ///< for metrics.csv, in a fixed order
};

/// A training criterion. docs/mathematics.md section 6.
struct Objective {
  virtual ~Objective() = default;

  /// x [B,D] and its particles -> loss. Error if they are not such that the criterion needs.
  virtual Terms evaluate(const ModelView& view, const at::Tensor& x, const Particles& particles, int64_t step,
                         const Rng& rng) = 0;

  virtual ops::Recordable recordable() const = 0;
};

inline const std::optional<Weighted>& samples_of(const Particles& p, const Weighted*) { return p.weighted; }
inline const std::optional<Tempered>& samples_of(const Particles& p, const Tempered*) { return p.tempered; }
inline const std::optional<Encoded>& samples_of(const Particles& p, const Encoded*) { return p.encoded; }

/// A criterion of one kind of samples: Weighted, Tempered or Encoded.
template <class Samples>
struct Criterion : Objective {
  Terms evaluate(const ModelView& view, const at::Tensor& x, const Particles& particles, int64_t step,
                 const Rng& rng) final {
    const std::optional<Samples>& samples = samples_of(particles, static_cast<const Samples*>(nullptr));
    if (!samples) throw Error("this criterion needs samples of another kind than this sampler makes");
    return loss(view, x, *samples, particles, step, rng);
  }

  /// Of these samples; `all` has what else their maker reports.
  virtual Terms loss(const ModelView& view, const at::Tensor& x, const Samples& samples, const Particles& all,
                     int64_t step, const Rng& rng) = 0;
};

std::unique_ptr<Objective> make_objective(const ObjectiveOptions& options);

/// The KAN penalty of a module's layers, differentiable []: λ_l1 ΣA + λ_entropy H(A/ΣA) + λ_coef mean|c| +
/// λ_coefdiff mean|c_{g+1} - c_g| summed over layers, A_io = |w_base_io| + |w_spline_io| mean_g |c_igo| (Liu et al.
/// 2024, section 2.5). Undefined where the module has no such layer.
at::Tensor kan_penalty(const torch::nn::Module& module, const RegulariserOptions& options);

/// Estimates of log p(x_b), [B], from levels 0 < t_1 < ... < t_N = 1. docs/mathematics.md section 6.
/// `level_zero` [B,S]: ℓ of exact prior draws; `levels` [T,B,N]: ℓ of the chains; temperature [T]; float64.
at::Tensor evidence_estimate(const std::string& estimator, const at::Tensor& level_zero, const at::Tensor& levels,
                             const at::Tensor& temperature);

/// Weights of all levels' samples for the posterior (t = 1) by MBAR (Shirts & Chodera 2008): as evidence_estimate ->
/// weights of level 0 [B,S] and of the chains [T,B,N], which sum to 1 for each datum.
std::pair<at::Tensor, at::Tensor> mbar_weights(const at::Tensor& level_zero, const at::Tensor& levels,
                                               const at::Tensor& temperature);

}  // namespace kaem
