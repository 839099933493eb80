#pragma once

#include "kaem/prior/prior.h"
#include "prior/reference_density.h"

namespace kaem {

/// p(z) ∝ π0(z) exp f(z) on n coordinates, f the sum of a KAN network's outputs, with an optional layer norm before
/// each layer. Gaussian π0: on the whole space; the others on the box [a,b]ⁿ, with reflection. log Z is not known: its
/// gradient comes from prior draws, and those are unadjusted Langevin chains. docs/mathematics.md section 2.
struct DeepPrior : Prior {
  DeepPrior(const PriorOptions& options, const Rng& rng);

  std::vector<int64_t> latent_shape() const override { return {layers.front()->inputs}; }
  bool normalised() const override { return false; }
  at::Tensor sample(int64_t n, const Rng& rng, Stream stream, int64_t step, int64_t first_index) override;
  at::Tensor log_prob(const at::Tensor& z) override;
  at::Tensor score(const at::Tensor& z) override;
  at::Tensor weighted_log_prob(const at::Tensor& z, const at::Tensor& weight, const Rng& rng, int64_t step) override;
  at::Tensor cdf(const at::Tensor& z) override;
  at::Tensor icdf(const at::Tensor& u) override;
  bool can_whiten() const override { return !bounded_; }
  std::pair<at::Tensor, at::Tensor> from_white(const at::Tensor& y) override;
  at::Tensor to_white(const at::Tensor& z) override;
  std::pair<at::Tensor, at::Tensor> white_residual(const at::Tensor& z) override;
  at::Tensor sample_base(int64_t n, const Rng& rng, Stream stream, int64_t step, int64_t first_index) override;
  std::pair<at::Tensor, at::Tensor> base_density(const at::Tensor& z) override;
  std::pair<at::Tensor, at::Tensor> tilt(const at::Tensor& z) override { return energy_and_gradient(z); }
  PriorCurves curves(int64_t points) override;
  GridUpdate update_grid(const at::Tensor& z) override;
  void initialise_grid() override;
  void invalidate() override {}
  at::Tensor features(const at::Tensor& z) const override { return z; }
  at::Tensor features_pullback(const at::Tensor& grad) const override { return grad; }
  std::pair<double, double> domain() const override;

  /// f(z): z [S,n] -> [S]; differentiable.
  at::Tensor energy(const at::Tensor& z);

  PriorOptions options;
  std::vector<KanLayer> layers;
  std::vector<at::Tensor> norm_scale, norm_shift;  ///< [width] before each layer; empty without layer norm
  std::shared_ptr<ReferenceDensity> reference;

 private:
  /// What enters layer l of its inputs' values h [S,I]: normalised with layer norm, else as they are.
  at::Tensor enter(size_t l, const at::Tensor& h) const;
  /// Vector-Jacobian product of `enter` (no gradient).
  at::Tensor enter_pullback(size_t l, const at::Tensor& h, const at::Tensor& grad) const;
  /// f and ∇f without a graph.
  std::pair<at::Tensor, at::Tensor> energy_and_gradient(const at::Tensor& z);
  /// f(z) + log π0(z), [S]; differentiable.
  at::Tensor unnormalised_log_prob(const at::Tensor& z);
  /// π0 itself: draws [n,I] whose numbers start at `index`.
  at::Tensor sample_reference(int64_t n, const Rng& rng, Stream stream, int64_t step, int64_t index) const;

  Rng rng_;
  bool bounded_;
};

}  // namespace kaem
