#pragma once

#include "prior/components.h"

namespace kaem {

/// p(z) = Π_q Σ_p α_qp π0_p(z_q) exp f_qp(z_q) / Z_qp on [a,b]: every latent coordinate is a mixture of P components.
/// The proportions α are equal, trained, or of an attention kernel. docs/mathematics.md section 2.
struct MixturePrior : ComponentPrior {
  MixturePrior(const PriorOptions& options, const Rng& rng);

  std::vector<int64_t> latent_shape() const override { return {layer->outputs}; }
  at::Tensor sample(int64_t n, const Rng& rng, Stream stream, int64_t step, int64_t first_index) override;
  at::Tensor log_prob(const at::Tensor& z) override;
  at::Tensor score(const at::Tensor& z) override;
  at::Tensor weighted_log_prob(const at::Tensor& z, const at::Tensor& weight, const Rng& rng, int64_t step) override;
  at::Tensor penalty() override;
  at::Tensor cdf(const at::Tensor& z) override;
  at::Tensor icdf(const at::Tensor& u) override;
  std::pair<at::Tensor, at::Tensor> from_white(const at::Tensor& y) override;
  at::Tensor to_white(const at::Tensor& z) override;
  GridUpdate update_grid(const at::Tensor& z) override;
  void update_statistics(const Rng& rng, int64_t step) override;
  void invalidate() override;
  at::Tensor features(const at::Tensor& z) const override { return z; }
  at::Tensor features_pullback(const at::Tensor& grad) const override { return grad; }

  /// log α [Q,P]; differentiable.
  at::Tensor log_proportions() const;

  at::Tensor logits;         ///< parameter [Q,P] of train_proportions
  at::Tensor query, key;     ///< parameters [Q,P] of use_attention_kernel
  at::Tensor second_moment;  ///< buffer [Q] of use_attention_kernel: running mean of z_q²

 private:
  /// True if every input has the same knots, so that one evaluation of the features serves all components.
  bool shared_knots();
  /// f_qp(z_q) [n,Q,P]; differentiable. And its derivative, which is not.
  at::Tensor energies(const at::Tensor& z);
  at::Tensor energy_slopes(const at::Tensor& z);
  /// log α_qp + log p_qp(z_q) [n,Q,P] given log Z [P,Q]; differentiable.
  at::Tensor joint(const at::Tensor& z, const at::Tensor& log_z);
  /// The table of the mixture's distribution function, one component per q; made when first asked for.
  const ops::InverseTable& inverse();

  std::optional<PriorTable> mixture_table_;
  MadeFrom<TableCells> mixture_cells_;
  MadeFrom<bool> shared_;
  at::Tensor constant_;  ///< log α - log Z [Q,P] of the present parameters, without a graph; made when first asked for
};

}  // namespace kaem
