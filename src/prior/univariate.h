#pragma once

#include "prior/components.h"

namespace kaem {

/// p(z) = Π_qp π0(z_qp) exp f_qp(z_qp) / Z_qp on [a,b], f one KAN layer. docs/mathematics.md section 2.
struct UnivariatePrior : ComponentPrior {
  UnivariatePrior(const PriorOptions& options, const Rng& rng);

  std::shared_ptr<const PriorView> view() override;
  std::vector<int64_t> latent_shape() const override { return {layer->outputs, layer->inputs}; }
  GridUpdate update_grid(const at::Tensor& z) override;
  at::Tensor features(const at::Tensor& z) const override;
  at::Tensor features_pullback(const at::Tensor& grad) const override;

 private:
  /// P times the mean of π0: sums of one-sided coordinates would lie far from the generator's grid.
  double offset_ = 0;
};

}  // namespace kaem
