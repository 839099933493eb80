#pragma once

#include <functional>
#include <utility>

#include "kaem/prior/prior.h"

namespace kaem {

struct ReferenceDensity;

/// p(z) ∝ π0(z) exp f(z) on n coordinates, for any network f: what a deep prior and the latent energy-based model of
/// Pang et al. (2020) are. Gaussian π0: on the whole space; the others on the box [a,b]ⁿ, with reflection. log Z is not
/// known: its gradient comes from prior draws, and those are unadjusted Langevin chains. docs/mathematics.md section 2.
struct TiltedPrior : Prior {
  /// `name` of π0, `range` of those that have no domain of their own. The network's parameters are registered by those
  /// who derive, after this.
  TiltedPrior(std::string name, const std::vector<double>& range, int64_t coordinates,
              const DeepOptions& langevin_options);

  /// f: z [S,n] -> [S], differentiable in z and in the parameters.
  virtual at::Tensor energy(const at::Tensor& z) = 0;

  /// f and ∇f without a graph: z [S,n] -> [S] and [S,n]. Valid while the parameters stay as they are and the prior
  /// lives, so that what depends on them alone is made once. By autograd where it is not written out.
  using EnergyAndGradient = std::function<std::pair<at::Tensor, at::Tensor>(const at::Tensor& z)>;
  virtual EnergyAndGradient freeze();

  std::shared_ptr<const PriorView> view() override;
  std::vector<int64_t> latent_shape() const override { return {width_}; }
  bool normalised() const override { return false; }
  GridUpdate update_grid(const at::Tensor&) override { return {}; }
  ops::Recordable recordable() const override { return ops::Recordable::kNothing; }
  at::Tensor features(const at::Tensor& z) const override { return z; }
  at::Tensor features_pullback(const at::Tensor& grad) const override { return grad; }
  std::pair<double, double> domain() const override;

  /// π0 itself: draws [n,I] whose numbers start at `index`.
  at::Tensor sample_reference(int64_t n, const Rng& rng, Stream stream, int64_t step, int64_t index) const;
  /// False for Gaussian π0, on the whole space.
  bool bounded() const { return bounded_; }
  int64_t width() const { return width_; }

  const DeepOptions langevin;
  const std::string reference_name;
  std::shared_ptr<ReferenceDensity> reference;

 private:
  int64_t width_;
  bool bounded_;
};

}  // namespace kaem
