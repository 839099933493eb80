#pragma once

#include "prior/components.h"

namespace kaem {

/// p(z) = Π_qp π0(z_qp) exp f_qp(z_qp) / Z_qp on [a,b], f one KAN layer. docs/mathematics.md section 2.
struct UnivariatePrior : ComponentPrior {
  UnivariatePrior(const PriorOptions& options, const Rng& rng);

  std::vector<int64_t> latent_shape() const override;
  at::Tensor sample(int64_t n, const Rng& rng, Stream stream, int64_t step, int64_t first_index) override;
  at::Tensor log_prob(const at::Tensor& z) override;
  at::Tensor score(const at::Tensor& z) override;
  at::Tensor weighted_log_prob(const at::Tensor& z, const at::Tensor& weight, const Rng& rng, int64_t step) override;
  at::Tensor cdf(const at::Tensor& z) override;
  at::Tensor icdf(const at::Tensor& u) override;
  std::pair<at::Tensor, at::Tensor> from_white(const at::Tensor& y) override;
  at::Tensor to_white(const at::Tensor& z) override;
  GridUpdate update_grid(const at::Tensor& z) override;
  at::Tensor features(const at::Tensor& z) const override;
  at::Tensor features_pullback(const at::Tensor& grad) const override;

 private:
  at::Tensor unnormalised_log_prob(const at::Tensor& z);

  double offset_ =
      0;  ///< P times the mean of π0: sums of one-sided coordinates would lie far from the generator's grid
};

}  // namespace kaem
