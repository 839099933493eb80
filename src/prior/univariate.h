#pragma once

#include <optional>

#include "kaem/prior/prior.h"
#include "prior/table.h"

namespace kaem {

/// p(z) = Π_qp π0(z_qp) exp f_qp(z_qp) / Z_qp on [a,b], f one KAN layer. docs/mathematics.md section 2.
struct UnivariatePrior : Prior {
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
  PriorCurves curves(int64_t points) override;
  GridUpdate update_grid(const at::Tensor& z) override;
  void invalidate() override;
  at::Tensor features(const at::Tensor& z) const override;
  at::Tensor features_pullback(const at::Tensor& grad) const override;
  std::pair<double, double> domain() const override;

  /// The table of the present parameters; made when first asked for.
  const PriorTable& table();

  PriorOptions options;
  KanLayer layer{nullptr};
  std::shared_ptr<ReferenceDensity> reference;

 private:
  at::Tensor unnormalised_log_prob(const at::Tensor& z);
  at::Tensor log_normaliser();

  std::optional<PriorTable> table_;
  bool fresh_graph_ = false;  ///< the table's graph has not been handed out yet
};

}  // namespace kaem
