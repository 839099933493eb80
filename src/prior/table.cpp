#include "prior/table.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>

#include "kaem/ops/gpu.h"

namespace kaem {
namespace {

using at::Tensor;

constexpr double kErrorBound = 1e-5;  // of log Z and, on the safe side, of the distribution function
constexpr int64_t kMostRefinement = 64, kCellsOfInterval = 4;

bool has_kink_at_zero(ops::Activation activation) {
  using enum ops::Activation;
  return activation == kRelu || activation == kLeakyRelu || activation == kElu || activation == kSelu;
}

/// Cells for so many knot intervals: several each, and where they are few not so many that every knot is a node.
/// Energies that are alike at all nodes look flat, whatever they are in between.
int64_t unlike_knots(int64_t least, double intervals) {
  auto cells = std::max(least, static_cast<int64_t>(std::ceil(static_cast<double>(kCellsOfInterval) * intervals)));
  const auto aligned = [&] { return std::fmod(2 * static_cast<double>(cells), intervals) == 0; };
  if (static_cast<double>(cells) < 8 * intervals && aligned()) ++cells;
  return cells;
}

/// Evenly divides each segment between consecutive breakpoints [P,B]: edges [P,M+1], `cells[j]` cells in segment j.
Tensor divide_segments(const Tensor& breaks, const std::vector<int64_t>& cells) {
  std::vector<Tensor> parts;
  for (size_t j = 0; j < cells.size(); ++j) {
    const Tensor start = breaks.select(1, j).unsqueeze(1), end = breaks.select(1, j + 1).unsqueeze(1);
    parts.push_back(start + (end - start) * at::arange(cells[j], breaks.options()) / static_cast<double>(cells[j]));
  }
  parts.push_back(breaks.slice(1, -1));
  return at::cat(parts, 1);
}

/// Every cell cut into `factor` equal ones: edges [P,M+1] -> [P,M·factor+1].
Tensor subdivide(const Tensor& edges, int64_t factor) {
  const Tensor start = edges.slice(1, 0, -1).unsqueeze(2), end = edges.slice(1, 1).unsqueeze(2);
  const Tensor share = at::arange(factor, edges.options()) / static_cast<double>(factor);
  return at::cat({(start + (end - start) * share).flatten(1), edges.slice(1, -1)}, 1);
}

/// Nodes and widths of cells, without their places in a table.
TableCells nodes_of(const TableDensity& density, const Tensor& edges) {
  const Tensor left = edges.slice(1, 0, -1), right = edges.slice(1, 1), middle = 0.5 * (left + right);
  TableCells cells;
  Tensor nodes;
  if (density.split) {
    nodes = at::stack({left, middle, right}, 2).flatten(1);
    cells.cell = middle.unsqueeze(2).expand({-1, -1, 3}).flatten(1).t().to(density.options).contiguous();
  } else {
    nodes = at::cat({at::stack({left, middle}, 2).flatten(1), edges.slice(1, -1)}, 1);
  }
  cells.edges = edges;
  cells.nodes = nodes.t().to(density.options).contiguous();
  cells.widths = (right - left).to(density.options).contiguous();
  return cells;
}

/// All components of the groups that the cells describe; or components `which` (int64 [n]) of one group.
ops::CellMasses integrate(const TableDensity& density, const TableCells& cells, std::optional<int64_t> group = {},
                          const Tensor& which = {}) {
  const Tensor log_density = density.at_nodes(cells.nodes, cells.cell, group, which).flatten(0, 1).contiguous();
  return ops::cell_masses(log_density, cells.widths, density.split);
}

/// A table some of whose components are given finer cells than the others.
class Refinement {
 public:
  Refinement(PriorTable& table, int64_t groups)
      : table_(table),
        groups_(groups),
        cdf_{table.inverse.cdf},
        slope_{table.inverse.slope},
        edges_{table.inverse.edges},
        cdf_size_(cdf_[0].numel()),
        slope_size_(slope_[0].numel()),
        edge_size_(edges_[0].numel()) {
    auto& inverse = table.inverse;
    for (Tensor* t : {&inverse.cells, &inverse.cdf_offset, &inverse.slope_offset, &inverse.edge_offset})
      *t = t->clone();  // they may be another table's too
  }

  /// Components q (int64 [n]) of group p take cells of their own: component (p,q) is z's q·P + p.
  void replace(int64_t p, const Tensor& q, const Tensor& cdf, const Tensor& slope, const Tensor& edges) {
    const int64_t cells = edges.size(1) - 1;
    const Tensor at_z = q * groups_ + p, row = at::arange(q.size(0), q.options());
    table_.inverse.cells.index_fill_(0, at_z, cells);
    table_.inverse.cdf_offset.index_copy_(0, at_z, cdf_size_ + row * (cells + 1));
    table_.inverse.slope_offset.index_copy_(0, at_z, slope_size_ + row * cells);
    table_.inverse.edge_offset.index_fill_(0, at_z, edge_size_);
    cdf_.push_back(cdf.flatten()), slope_.push_back(slope.flatten());
    edges_.push_back(edges.detach().flatten().to(cdf.scalar_type()));
    cdf_size_ += cdf.numel(), slope_size_ += slope.numel(), edge_size_ += edges.numel();
    table_.refined += q.size(0);
  }

  void finish() {
    table_.inverse.cdf = at::cat(cdf_), table_.inverse.slope = at::cat(slope_), table_.inverse.edges = at::cat(edges_);
  }

 private:
  PriorTable& table_;
  int64_t groups_;
  std::vector<Tensor> cdf_, slope_, edges_;
  int64_t cdf_size_, slope_size_, edge_size_;
};

/// Said once a process: the draws of such a component are off by more than they should be.
void warn_of_error(double error) {
  if (error > kErrorBound) {
    TORCH_WARN_ONCE("the prior's table: at ", kMostRefinement,
                    " times the least number of cells the error estimate of a component is ", error, " (bound ",
                    kErrorBound, "); its energy is too steep, or [EbmModel] GaussQuad_nodes too small");
  }
}

/// Doubles the cells of group p's components until their error estimates are small: all of `flagged` (int64 [n]) end up
/// in the refinement, their places and log-normalisers are added to `index` and `value`.
void refine_group(const TableDensity& density, const Tensor& edges, int64_t p, Tensor flagged, PriorTable& table,
                  Refinement& refinement, std::vector<Tensor>& index, std::vector<Tensor>& value) {
  for (int64_t factor = 2; flagged.numel() > 0; factor *= 2) {
    const Tensor fine = subdivide(edges.slice(0, p, p + 1), factor);
    const ops::CellMasses masses = integrate(density, nodes_of(density, fine), p, flagged);
    const bool last = factor >= kMostRefinement;
    const Tensor bad = last ? at::zeros_like(masses.error, at::kBool) : masses.error > kErrorBound;
    const Tensor good = at::logical_not(bad).nonzero().squeeze(1);
    if (good.numel() > 0) {
      const Tensor settled = flagged.index_select(0, good);
      refinement.replace(p, settled, masses.cdf.index_select(0, good), masses.slope.index_select(0, good), fine);
      index.push_back(settled + p * density.components);
      value.push_back(masses.log_normaliser.index_select(0, good));
      table.error = std::max(table.error, masses.error.index_select(0, good).max().item<double>());
    }
    flagged = flagged.index_select(0, bad.nonzero().squeeze(1));
  }
}

}  // namespace

TableCells lay_out(const TableDensity& density, const Tensor& edges) {
  TableCells cells = nodes_of(density, edges);
  // Component (p,q) (group p, q of its Q) at p·Q + q of the storage serves z's component q·P + p.
  const int64_t p_count = density.groups, q_count = density.components, m = edges.size(1) - 1;
  const auto whole = edges.options().dtype(at::kLong);
  const Tensor p = at::arange(p_count, whole).unsqueeze(0), q = at::arange(q_count, whole).unsqueeze(1);
  const Tensor stored = (p * q_count + q).flatten();
  cells.inverse.cells = at::full_like(stored, m);
  cells.inverse.cdf_offset = stored * (m + 1);
  cells.inverse.slope_offset = stored * m;
  cells.inverse.edge_offset = (p.expand({q_count, p_count}) * (m + 1)).flatten();
  cells.inverse.edges = edges.detach().flatten().to(density.options);
  return cells;
}

PriorTable tabulate(const TableDensity& density, const TableCells& cells) {
  const int64_t p_count = density.groups, q_count = density.components;
  const ops::CellMasses masses = integrate(density, cells);
  PriorTable table;
  table.inverse = cells.inverse;
  table.inverse.cdf = masses.cdf.flatten(), table.inverse.slope = masses.slope.flatten();
  table.log_normaliser = masses.log_normaliser.reshape({p_count, q_count});
  const Tensor worst = masses.error.max();
  if (ops::is_recording()) {
    for (const Tensor& t : {cells.nodes, cells.cell, cells.widths, cells.inverse.cells, cells.inverse.cdf_offset,
                            cells.inverse.slope_offset, cells.inverse.edge_offset, cells.inverse.edges})
      ops::keep_for_recording(t);
    ops::check_later(worst <= kErrorBound);
    return table;
  }
  table.error = worst.item<double>();  // a GPU is waited for here, and nowhere else in most updates
  if (table.error <= kErrorBound) return table;
  const Tensor bad = masses.error > kErrorBound;
  table.error = at::where(bad, at::zeros({}, masses.error.options()), masses.error).max().item<double>();
  const Tensor by_group = bad.reshape({p_count, q_count}).cpu();
  Refinement refinement(table, p_count);
  std::vector<Tensor> index, value;
  for (int64_t p = 0; p < p_count; ++p) {
    const Tensor flagged = by_group[p].nonzero().squeeze(1).to(cells.edges.device());
    refine_group(density, cells.edges, p, flagged, table, refinement, index, value);
  }
  refinement.finish();
  if (!index.empty()) {  // none where estimates are not numbers
    table.log_normaliser =
        masses.log_normaliser.index_copy(0, at::cat(index), at::cat(value)).reshape({p_count, q_count});
  }
  warn_of_error(table.error);
  return table;
}

Tensor cell_edges(const Tensor& knots, const ops::BasisSpec& spec, int64_t grid_size, int64_t least_cells) {
  const double a = knots[0][0].item<double>(), b = knots[0][-1].item<double>();
  const bool pieces = spec.kind == ops::BasisKind::kBSpline;
  const bool kink = has_kink_at_zero(spec.activation) && a < 0 && b > 0;
  Tensor breaks = pieces ? knots : at::stack({knots.select(1, 0), knots.select(1, -1)}, 1).detach();
  const int64_t intervals = breaks.size(1) - 1;
  if (kink) breaks = std::get<0>(at::cat({breaks, at::zeros_like(breaks.slice(1, 0, 1))}, 1).sort(1));
  const int64_t segments = breaks.size(1) - 1;
  std::vector<int64_t> cells(segments, std::max(kCellsOfInterval, (least_cells + intervals - 1) / intervals));
  if (!pieces) cells = {unlike_knots(least_cells, static_cast<double>(grid_size))};
  if (!pieces && kink) {  // no knots to align with: cells are equal but for the split at 0
    const double share = -a / (b - a), grid = static_cast<double>(grid_size);
    const auto left = static_cast<int64_t>(std::ceil(share * static_cast<double>(least_cells)));
    cells = {unlike_knots(left, share * grid),
             unlike_knots(std::max<int64_t>(1, least_cells - left), (1 - share) * grid)};
  }
  return divide_segments(breaks, cells);
}

Tensor ComponentDensity::operator()(const Tensor& x, const Tensor& cell, std::optional<int64_t> input,
                                    const Tensor& outputs) const {
  const int64_t first = input.value_or(0), end = input ? first + 1 : layer_.inputs;
  Tensor weights = edges_.weights.slice(0, first, end);
  if (outputs.defined()) weights = weights.index_select(2, outputs);
  // A density of one input alone is that column of all.
  const Tensor log_reference =
      reference_.is_flat()
          ? Tensor()
          : reference_.log_density(x.expand({x.size(0), layer_.inputs})).slice(1, first, end).t().unsqueeze(1);
  if (edges_.knots.size(0) != layer_.inputs) {
    const Tensor energy =
        edge_energies(x, edges_.knots.unflatten(0, {layer_.inputs, -1}).slice(0, first, end), weights, outputs);
    return log_reference.defined() ? energy + log_reference : energy;
  }
  const Tensor features =
      ops::basis(x, edges_.knots.slice(0, first, end), edges_.tau, layer_.spec, cell).permute({1, 2, 0});
  if (!log_reference.defined()) return at::bmm(weights.transpose(1, 2), features);
  return at::baddbmm(log_reference, weights.transpose(1, 2), features);
}

Tensor ComponentDensity::edge_energies(const Tensor& x, Tensor knots, const Tensor& weights,
                                       const Tensor& outputs) const {
  if (outputs.defined()) knots = knots.index_select(1, outputs);
  const Tensor z = x.unsqueeze(1).expand({x.size(0), weights.size(2), x.size(1)});
  const Tensor features = ops::edge_features(z, knots.flatten(0, 1), edges_.tau, layer_.spec);
  return at::einsum("kqpf,pfq->pqk", {features, weights});
}

PriorTable build_table(const Edges& edges, const KanLayerImpl& layer, const ReferenceDensity& reference,
                       int64_t least_cells, MadeFrom<TableCells>& cells) {
  const ComponentDensity component(edges, layer, reference);
  const TableDensity density = {layer.inputs, layer.outputs, jumps_at_knots(layer.spec), edges.knots.options(),
                                [&](const Tensor& x, const Tensor& cell, std::optional<int64_t> input,
                                    const Tensor& outputs) { return component(x, cell, input, outputs); }};
  const Tensor source = cells_source(edges, layer);
  return tabulate(density, cells.get(source, [&] {
    return lay_out(density, cell_edges(source.to(at::kDouble), layer.spec, layer.options.grid_size, least_cells));
  }));
}

}  // namespace kaem
