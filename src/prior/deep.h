#pragma once

#include "kaem/prior/tilted.h"

namespace kaem {

/// A tilted prior whose f is the sum of a KAN network's outputs, with an optional layer norm before each layer.
struct DeepPrior : TiltedPrior {
  DeepPrior(const PriorOptions& options, const Rng& rng);

  at::Tensor energy(const at::Tensor& z) override;
  EnergyAndGradient freeze() override;
  GridUpdate update_grid(const at::Tensor& z) override;
  void initialise_grid() override;

  /// What enters layer l of its inputs' values h [S,I]: normalised with layer norm, else as they are.
  at::Tensor enter(size_t l, const at::Tensor& h) const;
  /// Vector-Jacobian product of `enter` (no gradient).
  at::Tensor enter_pullback(size_t l, const at::Tensor& h, const at::Tensor& grad) const;

  PriorOptions options;
  std::vector<KanLayer> layers;
  std::vector<at::Tensor> norm_scale, norm_shift;  ///< [width] before each layer; empty without layer norm

 private:
  Rng rng_;
};

}  // namespace kaem
