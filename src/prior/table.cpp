#include "prior/table.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>

namespace kaem {
namespace {

using at::Tensor;

constexpr double kErrorBound = 3e-5;
constexpr int64_t kMostRefinement = 64;

bool has_kink_at_zero(ops::Activation activation) {
  using enum ops::Activation;
  return activation == kRelu || activation == kLeakyRelu || activation == kElu || activation == kSelu;
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

/// Integrates log-densities of components at the nodes of their cells.
class Integrator {
 public:
  explicit Integrator(const TableDensity& density) : density_(density) {}

  /// All components of the groups that `edges` [groups,M+1] (float64) describe.
  ops::CellMasses all(const Tensor& edges) const { return integrate(edges, {}, {}); }

  /// Components `which` (int64 [n]) of one group: edges [1,M+1].
  ops::CellMasses some(const Tensor& edges, int64_t group, const Tensor& which) const {
    return integrate(edges, group, which);
  }

 private:
  ops::CellMasses integrate(const Tensor& edges, std::optional<int64_t> group, const Tensor& which) const {
    const Tensor left = edges.slice(1, 0, -1), right = edges.slice(1, 1), middle = 0.5 * (left + right);
    Tensor nodes, cell;
    if (density_.split) {
      nodes = at::stack({left, middle, right}, 2).flatten(1);
      cell = middle.unsqueeze(2).expand({-1, -1, 3}).flatten(1).t().to(density_.options).contiguous();
    } else {
      nodes = at::cat({at::stack({left, middle}, 2).flatten(1), edges.slice(1, -1)}, 1);
    }
    const Tensor x = nodes.t().to(density_.options).contiguous();
    const Tensor log_density = density_.at_nodes(x, cell, group, which).flatten(0, 1).contiguous();
    return ops::cell_masses(log_density, (right - left).to(density_.options).contiguous(), density_.split);
  }

  const TableDensity& density_;
};

/// The ragged table under construction: every component starts with the shared cells, some are replaced.
struct Builder {
  PriorTable table;
  std::vector<Tensor> cdf, slope, edges;
  int64_t cdf_size = 0, slope_size = 0, edge_size = 0;

  /// Component (p,q) (group p, q of its Q) at p·Q + q of the storage serves z's component q·P + p.
  void start(const ops::CellMasses& masses, const Tensor& all_edges, int64_t q_count) {
    const int64_t p_count = all_edges.size(0), cells = all_edges.size(1) - 1;
    const Tensor p = at::arange(p_count, at::kLong).unsqueeze(0), q = at::arange(q_count, at::kLong).unsqueeze(1);
    const Tensor stored = (p * q_count + q).flatten();
    table.inverse.cells = at::full_like(stored, cells);
    table.inverse.cdf_offset = stored * (cells + 1);
    table.inverse.slope_offset = stored * cells;
    table.inverse.edge_offset = (p.expand({q_count, p_count}) * (cells + 1)).flatten();
    append(masses, all_edges);
  }

  void append(const ops::CellMasses& masses, const Tensor& new_edges) {
    cdf.push_back(masses.cdf.flatten()), slope.push_back(masses.slope.flatten());
    edges.push_back(new_edges.detach().flatten().to(masses.cdf.scalar_type()));
    cdf_size += cdf.back().numel(), slope_size += slope.back().numel(), edge_size += edges.back().numel();
  }

  /// Components q of group p take the refined cells.
  void replace(int64_t p, const Tensor& q, int64_t p_count, const ops::CellMasses& masses, const Tensor& new_edges) {
    const int64_t cells = new_edges.size(1) - 1;
    const Tensor at_z = q.cpu() * p_count + p, row = at::arange(q.size(0), at::kLong);
    table.inverse.cells.index_fill_(0, at_z, cells);
    table.inverse.cdf_offset.index_copy_(0, at_z, cdf_size + row * (cells + 1));
    table.inverse.slope_offset.index_copy_(0, at_z, slope_size + row * cells);
    table.inverse.edge_offset.index_fill_(0, at_z, edge_size);
    append(masses, new_edges);
  }

  PriorTable finish(Tensor log_normaliser) {
    const auto device = log_normaliser.device();
    const auto join = [](const std::vector<Tensor>& parts) { return parts.size() == 1 ? parts[0] : at::cat(parts); };
    auto& inverse = table.inverse;
    inverse.cdf = join(cdf), inverse.slope = join(slope), inverse.edges = join(edges);
    for (Tensor* t : {&inverse.cells, &inverse.cdf_offset, &inverse.slope_offset, &inverse.edge_offset})
      *t = t->to(device);
    table.log_normaliser = std::move(log_normaliser);
    return table;
  }
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
/// in the builder, their log-normalisers [n] are returned in the order of `order`.
void refine_group(const Integrator& integrator, const Tensor& edges, int64_t p, int64_t p_count, Tensor flagged,
                  Builder& builder, std::vector<Tensor>& index, std::vector<Tensor>& value, int64_t q_count) {
  for (int64_t factor = 2; flagged.numel() > 0; factor *= 2) {
    const Tensor fine = subdivide(edges.slice(0, p, p + 1), factor);
    const ops::CellMasses masses = integrator.some(fine, p, flagged);
    const bool last = factor >= kMostRefinement;
    const Tensor bad = last ? at::zeros_like(masses.error, at::kBool) : masses.error > kErrorBound;
    const Tensor good = at::logical_not(bad).nonzero().squeeze(1);
    if (good.numel() > 0) {
      const Tensor settled = flagged.index_select(0, good);
      builder.replace(p, settled, p_count,
                      {{}, {}, masses.cdf.index_select(0, good), masses.slope.index_select(0, good)}, fine);
      index.push_back(settled + p * q_count);
      value.push_back(masses.log_normaliser.index_select(0, good));
      builder.table.refined += good.numel();
      builder.table.error = std::max(builder.table.error, masses.error.index_select(0, good).max().item<double>());
    }
    flagged = flagged.index_select(0, bad.nonzero().squeeze(1));
  }
}

}  // namespace

PriorTable tabulate(const TableDensity& density, const Tensor& edges) {
  const int64_t p_count = density.groups, q_count = density.components;
  const Integrator integrator(density);
  const ops::CellMasses masses = integrator.all(edges);
  Builder builder;
  builder.start(masses, edges, q_count);
  const Tensor bad = masses.error > kErrorBound;
  builder.table.error = at::where(bad, at::zeros({}, masses.error.options()), masses.error).max().item<double>();
  Tensor log_normaliser = masses.log_normaliser;
  if (bad.any().item<bool>()) {
    const Tensor by_group = bad.reshape({p_count, q_count}).cpu();
    std::vector<Tensor> index, value;
    for (int64_t p = 0; p < p_count; ++p) {
      const Tensor flagged = by_group[p].nonzero().squeeze(1).to(edges.device());
      refine_group(integrator, edges, p, p_count, flagged, builder, index, value, q_count);
    }
    log_normaliser = log_normaliser.index_copy(0, at::cat(index), at::cat(value));
    warn_of_error(builder.table.error);
  }
  return builder.finish(log_normaliser.reshape({p_count, q_count}));
}

Tensor cell_edges(const Tensor& knots, const ops::BasisSpec& spec, int64_t least_cells) {
  const double a = knots[0][0].item<double>(), b = knots[0][-1].item<double>();
  const bool pieces = spec.kind == ops::BasisKind::kBSpline;
  const bool kink = has_kink_at_zero(spec.activation) && a < 0 && b > 0;
  Tensor breaks = pieces ? knots : at::stack({knots.select(1, 0), knots.select(1, -1)}, 1).detach();
  const int64_t intervals = breaks.size(1) - 1;
  if (kink) breaks = std::get<0>(at::cat({breaks, at::zeros_like(breaks.slice(1, 0, 1))}, 1).sort(1));
  const int64_t segments = breaks.size(1) - 1;
  std::vector<int64_t> cells(segments, (least_cells + intervals - 1) / intervals);
  if (!pieces && kink) {  // no knots to align with: cells are equal but for the split at 0
    const auto left = static_cast<int64_t>(std::ceil(-a / (b - a) * static_cast<double>(least_cells)));
    cells = {left, std::max<int64_t>(1, least_cells - left)};
  }
  return divide_segments(breaks, cells);
}

ComponentDensity::ComponentDensity(const KanLayerImpl& layer, const ReferenceDensity& reference)
    : layer_(layer), reference_(reference), weights_(layer.weights()), tau_(layer.bandwidth()), knots_(layer.knots()) {}

Tensor ComponentDensity::operator()(const Tensor& x, const Tensor& cell, std::optional<int64_t> input,
                                    const Tensor& outputs) const {
  const int64_t first = input.value_or(0), end = input ? first + 1 : layer_.inputs;
  Tensor weights = weights_.slice(0, first, end);
  if (outputs.defined()) weights = weights.index_select(2, outputs);
  const Tensor features = ops::basis(x, knots_.slice(0, first, end), tau_, layer_.spec, cell).permute({1, 2, 0});
  if (reference_.is_flat()) return at::bmm(weights.transpose(1, 2), features);
  // A density of one input alone is that column of all.
  const Tensor log_reference =
      reference_.log_density(x.expand({x.size(0), layer_.inputs})).slice(1, first, end).t().unsqueeze(1);
  return at::baddbmm(log_reference, weights.transpose(1, 2), features);
}

PriorTable build_table(const KanLayerImpl& layer, const ReferenceDensity& reference, int64_t least_cells) {
  const ComponentDensity component(layer, reference);
  return tabulate({layer.inputs, layer.outputs, jumps_at_knots(layer.spec), layer.knots().options(),
                   [&](const Tensor& x, const Tensor& cell, std::optional<int64_t> input, const Tensor& outputs) {
                     return component(x, cell, input, outputs);
                   }},
                  cell_edges(layer.knots().to(at::kDouble), layer.spec, least_cells));
}

}  // namespace kaem
