#pragma once

#include "kaem/prior/curves.h"
#include "kaem/prior/formula.h"
#include "kaem/prior/prior.h"
#include "prior/reference_density.h"

namespace kaem {

/// A univariate or mixture prior whose energies are formulas: p_qp ∝ π0_p(z) exp(a g(b z + c)), a row of
/// `univariate_functions` each. Formulas and proportions are fixed; π0 may be trained. A new one has f = 0.
/// docs/mathematics.md section 2.
struct SymbolicPrior : Prior {
  explicit SymbolicPrior(const PriorOptions& options);

  std::shared_ptr<const PriorView> view() override;
  std::vector<int64_t> latent_shape() const override;
  GridUpdate update_grid(const at::Tensor&) override { return {}; }
  void set_flat(const at::Tensor& which) override;
  ops::Recordable recordable() const override { return ops::Recordable::kNothing; }
  at::Tensor features(const at::Tensor& z) const override;
  at::Tensor features_pullback(const at::Tensor& grad) const override;
  std::pair<double, double> domain() const override { return reference->domain; }

  int64_t inputs() const { return options.layer_widths[0]; }
  int64_t outputs() const { return options.layer_widths[1]; }
  bool is_mixture() const { return options.mixture.enabled; }

  PriorOptions options;
  std::shared_ptr<ReferenceDensity> reference;
  at::Tensor function;         ///< buffer int64 [Q,P]: number in univariate_functions
  at::Tensor coefficients;     ///< buffer [Q,P,4]: a, b, c, d
  at::Tensor log_proportions;  ///< buffer [Q,P] of a mixture; undefined else

 private:
  double offset_ = 0;  ///< as in UnivariatePrior
};

}  // namespace kaem
