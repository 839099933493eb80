#pragma once

#include "prior/components.h"

namespace kaem {

/// p(z) = Π_q Σ_p α_qp π0_p(z_q) exp f_qp(z_q) / Z_qp on [a,b]: every latent coordinate is a mixture of P components.
/// The proportions α are equal, trained, or of an attention kernel. docs/mathematics.md section 2.
struct MixturePrior : ComponentPrior {
  MixturePrior(const PriorOptions& options, const Rng& rng);

  std::shared_ptr<const PriorView> view() override;
  std::vector<int64_t> latent_shape() const override { return {layer->outputs}; }
  at::Tensor penalty() override;
  GridUpdate update_grid(const at::Tensor& z) override;
  void update_statistics(const Rng& rng, int64_t step) override;
  at::Tensor features(const at::Tensor& z) const override { return z; }
  at::Tensor features_pullback(const at::Tensor& grad) const override { return grad; }

  /// log α [Q,P]; differentiable.
  at::Tensor log_proportions() const;

  /// True if every input has the same knots, so that one evaluation of the features serves all components.
  bool has_shared_knots();

  at::Tensor logits;         ///< parameter [Q,P] of train_proportions
  at::Tensor query, key;     ///< parameters [Q,P] of use_attention_kernel
  at::Tensor second_moment;  ///< buffer [Q] of use_attention_kernel: running mean of z_q²

  MadeFrom<TableCells> mixture_cells;  ///< of the mixture's own table

 private:
  MadeFrom<bool> shared_;
};

}  // namespace kaem
