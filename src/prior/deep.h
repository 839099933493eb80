#pragma once

#include "kaem/prior/prior.h"
#include "prior/reference_density.h"

namespace kaem {

/// p(z) ∝ π0(z) exp f(z) on n coordinates, f the sum of a KAN network's outputs, with an optional layer norm before
/// each layer. Gaussian π0: on the whole space; the others on the box [a,b]ⁿ, with reflection. log Z is not known: its
/// gradient comes from prior draws, and those are unadjusted Langevin chains. docs/mathematics.md section 2.
struct DeepPrior : Prior {
  DeepPrior(const PriorOptions& options, const Rng& rng);

  std::shared_ptr<const PriorView> view() override;
  std::vector<int64_t> latent_shape() const override { return {layers.front()->inputs}; }
  bool normalised() const override { return false; }
  GridUpdate update_grid(const at::Tensor& z) override;
  void initialise_grid() override;
  ops::Recordable recordable() const override { return ops::Recordable::kNothing; }
  at::Tensor features(const at::Tensor& z) const override { return z; }
  at::Tensor features_pullback(const at::Tensor& grad) const override { return grad; }
  std::pair<double, double> domain() const override;

  /// What enters layer l of its inputs' values h [S,I]: normalised with layer norm, else as they are.
  at::Tensor enter(size_t l, const at::Tensor& h) const;
  /// Vector-Jacobian product of `enter` (no gradient).
  at::Tensor enter_pullback(size_t l, const at::Tensor& h, const at::Tensor& grad) const;
  /// π0 itself: draws [n,I] whose numbers start at `index`.
  at::Tensor sample_reference(int64_t n, const Rng& rng, Stream stream, int64_t step, int64_t index) const;
  /// False for Gaussian π0, on the whole space.
  bool bounded() const { return bounded_; }

  PriorOptions options;
  std::vector<KanLayer> layers;
  std::vector<at::Tensor> norm_scale, norm_shift;  ///< [width] before each layer; empty without layer norm
  std::shared_ptr<ReferenceDensity> reference;

 private:
  Rng rng_;
  bool bounded_;
};

}  // namespace kaem
