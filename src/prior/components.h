#pragma once

#include <optional>

#include "kaem/prior/prior.h"
#include "prior/table.h"

namespace kaem {

/// What the univariate prior and the mixture share: components p_qp(z) = π0_p(z) exp f_qp(z) / Z_qp on [a,b], f the
/// edges of one KAN layer, and their table. docs/mathematics.md section 2.
struct ComponentPrior : Prior {
  ComponentPrior(const PriorOptions& options, const Rng& rng);

  PriorCurves curves(int64_t points) override;
  void invalidate() override { table_.reset(), fresh_graph_ = false, frozen_.reset(); }
  std::pair<double, double> domain() const override { return reference->domain; }

  /// The table of the present parameters; made when first asked for.
  const PriorTable& table();

  PriorOptions options;
  KanLayer layer{nullptr};
  std::shared_ptr<ReferenceDensity> reference;

 protected:
  /// What the edges are made of, without graphs.
  struct Edges {
    at::Tensor knots, tau, weights;
  };

  /// The edges of the present parameters; made when first asked for: a chain asks at every step.
  const Edges& frozen();

  /// log Z [P,Q] with a graph of its own for each caller, if gradients are enabled.
  at::Tensor log_normaliser();

  /// Draws of every component, [n,Q,P], by inverse transform.
  at::Tensor sample_components(int64_t n, const Rng& rng, Stream stream, int64_t step, int64_t first_index);

  /// `value` [n] where all of z [n, ...] is inside the domain, -inf elsewhere.
  at::Tensor minus_infinity_outside(const at::Tensor& z, const at::Tensor& value) const;

 private:
  MadeFrom<TableCells> cells_;
  std::optional<PriorTable> table_;
  std::optional<Edges> frozen_;
  bool fresh_graph_ = false;  ///< the table's graph has not been handed out yet
};

}  // namespace kaem
