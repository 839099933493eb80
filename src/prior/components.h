#pragma once

#include <optional>

#include "kaem/prior/curves.h"
#include "kaem/prior/prior.h"
#include "prior/table.h"
#include "prior/view.h"

namespace kaem {

/// What the univariate prior and the mixture share: components p_qp(z) = π0_p(z) exp f_qp(z) / Z_qp on [a,b], f the
/// edges of one KAN layer. docs/mathematics.md section 2.
struct ComponentPrior : Prior {
  ComponentPrior(const PriorOptions& options, const Rng& rng);

  std::pair<double, double> domain() const override { return reference->domain; }
  /// Sets an edge's two weights to 0: it is 0 whatever its coefficients are.
  void set_flat(const at::Tensor& which) override;
  /// Low-discrepancy draws are made by the host.
  ops::Recordable recordable() const override {
    return options.uniforms == "independent" ? ops::Recordable::kAll : ops::Recordable::kNothing;
  }

  PriorOptions options;
  KanLayer layer{nullptr};
  std::shared_ptr<ReferenceDensity> reference;
  MadeFrom<TableCells> cells;  ///< of the components' table
};

/// The components at fixed parameters, with their table.
class Components {
 public:
  explicit Components(ComponentPrior& prior);

  /// Error if a parameter was written to since this was made.
  const Edges& edges() const;      ///< with a graph, if gradients were enabled
  const Edges& constants() const;  ///< without

  /// log Z [P,Q] and the table of all components; made when first asked for.
  const PriorTable& table() const;

  /// Draws of every component, [n,Q,P], by inverse transform.
  at::Tensor sample(int64_t n, const Rng& rng, Stream stream, int64_t step, int64_t first_index) const;

  PriorCurves curves(int64_t points) const;

  ComponentPrior& prior;
  const KanLayerImpl& layer;
  const ReferenceDensity& reference;

 private:
  bool with_graph_;
  Versions versions_;
  Edges edges_, constants_;
  mutable std::optional<PriorTable> table_;
};

}  // namespace kaem
