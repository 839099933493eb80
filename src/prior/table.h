#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <optional>

#include "kaem/kan/layer.h"
#include "prior/made_from.h"
#include "prior/reference_density.h"

namespace kaem {

/// What one table per component serves: the normaliser (with its gradient) and the inverse transform.
struct PriorTable {
  at::Tensor log_normaliser;  ///< [P,Q]; carries a graph if gradients were enabled
  ops::InverseTable inverse;  ///< components in the order of z [Q,P], q outermost
  int64_t refined = 0;        ///< components with more cells than the least number
  double error = 0;           ///< greatest estimate of the distribution's error that is left
};

/// Log-densities to be tabulated: groups of components that share their cells (the univariate prior: P groups of Q).
struct TableDensity {
  int64_t groups, components;  ///< components of a group
  bool split;                  ///< the density jumps at knots, so that each cell has end points of its own
  at::TensorOptions options;   ///< of the nodes
  /// Nodes x [K,groups] -> [groups,components,K]; with a group, x [K,1] and components `which` (int64 [n]) of it ->
  /// [1,n,K]. `cell` (like x, undefined without `split`): the point that decides which B-spline piece is used.
  std::function<at::Tensor(const at::Tensor& x, const at::Tensor& cell, std::optional<int64_t> group,
                           const at::Tensor& which)>
      at_nodes;
};

/// Where a density is looked at, and the places of the results: what depends on the cells alone.
struct TableCells {
  at::Tensor edges;           ///< [groups,M+1] float64
  at::Tensor nodes, cell;     ///< [K,groups], as TableDensity is asked for them
  at::Tensor widths;          ///< [groups,M]
  ops::InverseTable inverse;  ///< of all components, cdf and slope not filled in
};

/// Cells between neighbouring edges [groups,M+1] (float64) for a density's components.
TableCells lay_out(const TableDensity& density, const at::Tensor& edges);

/// Integrates cells, doubled up to 64 times where the error estimate asks for it. docs/mathematics.md section 2, "One
/// table per component".
PriorTable tabulate(const TableDensity& density, const TableCells& cells);

/// At least `least_cells` cells between the ends of knots or ends [groups,B] (float64), several for each of the grid's
/// intervals: edges [groups,M+1], aligned with B-spline knots and with 0 where the base activation has a kink.
/// Differentiable where knots decide (B-splines).
at::Tensor cell_edges(const at::Tensor& knots, const ops::BasisSpec& spec, int64_t grid_size, int64_t least_cells);

/// True if univariate functions of this kind are not continuous.
inline bool jumps_at_knots(const ops::BasisSpec& spec) {
  return spec.kind == ops::BasisKind::kBSpline && spec.degree == 0;
}

/// What a layer's edges are made of: its knots, bandwidth and folded weights (KanLayerImpl).
struct Edges {
  at::Tensor knots, tau, weights;
};

/// f_qp + log π0_p at nodes, as TableDensity asks for it (a group is an input p, its components are the outputs q).
class ComponentDensity {
 public:
  /// Of edges [P,F,Q] of `layer`.
  ComponentDensity(const Edges& edges, const KanLayerImpl& layer, const ReferenceDensity& reference)
      : layer_(layer), reference_(reference), edges_(edges) {}
  /// x [K,P] -> [P,Q,K]; or of one input, x [K,1]; or of some outputs.
  at::Tensor operator()(const at::Tensor& x, const at::Tensor& cell, std::optional<int64_t> input,
                        const at::Tensor& outputs) const;

 private:
  /// Where every edge has knots [p,Q,2G] of its own: x [K,p] -> f [p,Q or n,K].
  at::Tensor edge_energies(const at::Tensor& x, at::Tensor knots, const at::Tensor& weights,
                           const at::Tensor& outputs) const;

  const KanLayerImpl& layer_;
  const ReferenceDensity& reference_;
  Edges edges_;
};

/// The tensor that decides the cells of a layer's components (cell_edges): for B-splines all knots, else their ends.
inline at::Tensor cells_source(const Edges& edges, const KanLayerImpl& layer) {
  return layer.spec.kind == ops::BasisKind::kBSpline ? edges.knots : layer.ends_buffer();
}

/// The table of all components exp(f_qp) π0_p of a layer's edges; `cells` keeps their cells as long as the knots stay.
PriorTable build_table(const Edges& edges, const KanLayerImpl& layer, const ReferenceDensity& reference,
                       int64_t least_cells, MadeFrom<TableCells>& cells);

}  // namespace kaem
