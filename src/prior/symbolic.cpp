#include "prior/symbolic.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>

#include "kaem/core/error.h"
#include "kaem/core/str.h"
#include "prior/mixture.h"
#include "prior/table.h"
#include "prior/uniforms.h"
#include "prior/view.h"
#include "prior/white.h"

namespace kaem {
namespace {

using at::Tensor;

/// Cells that show every period that a formula may have.
constexpr int64_t kLeastCells = 256;

/// Formulas of C components, those of one function together.
class FormulaSet {
 public:
  /// function [C], coefficients [C,4].
  FormulaSet(const Tensor& function, const Tensor& coefficients) {
    const Tensor wide = coefficients.to(at::kDouble);
    std::vector<Tensor> order;
    const auto functions = univariate_functions();
    for (size_t g = 0; g < functions.size(); ++g) {
      const Tensor which = (function == static_cast<int64_t>(g)).nonzero().squeeze(1);
      if (which.numel() == 0) continue;
      const Tensor own = wide.index_select(0, which);
      groups_.push_back({&functions[g], which, own.select(1, 0), own.select(1, 1), own.select(1, 2), own.select(1, 3)});
      order.push_back(which);
    }
    int64_t known = 0;
    for (const Tensor& which : order) known += which.numel();
    if (known != function.numel())
      throw Error(kaem::str("the prior's formulas: a function's number is none of 0..", functions.size() - 1));
    place_ = at::cat(order).argsort();
  }

  /// z [n,C] -> f, or df/dz, of the same shape and type; computed in float64.
  Tensor values(const Tensor& z) const {
    return each(z, [](const Group& g, const Tensor& own) { return g.a * g.function->value(g.b * own + g.c) + g.d; });
  }
  Tensor slopes(const Tensor& z) const {
    return each(z, [](const Group& g, const Tensor& own) { return g.a * g.b * g.function->slope(g.b * own + g.c); });
  }

 private:
  struct Group {
    const UnivariateFunction* function;
    Tensor which, a, b, c, d;
  };

  template <class Evaluate>
  Tensor each(const Tensor& z, Evaluate&& evaluate) const {
    std::vector<Tensor> parts;
    for (const Group& group : groups_) parts.push_back(evaluate(group, z.index_select(1, group.which).to(at::kDouble)));
    return at::cat(parts, 1).index_select(1, place_).to(z.scalar_type());
  }

  std::vector<Group> groups_;
  Tensor place_;  ///< of each component among those of all groups
};

struct SymbolicView final : PriorView, CoordinateDistribution, WhiteCoordinates {
  explicit SymbolicView(SymbolicPrior& symbolic)
      : prior(symbolic),
        reference(*symbolic.reference),
        formulas(symbolic.function.flatten(), symbolic.coefficients.flatten(0, 1)),
        with_graph_(c10::GradMode::is_enabled()),
        versions_(versions_of(symbolic)) {}

  Tensor sample(int64_t n, const Rng& rng, Stream stream, int64_t step, int64_t first_index) const override {
    const auto shape = prior.latent_shape();
    int64_t dimension = 1;
    for (const int64_t size : shape) dimension *= size;
    const Tensor u = draw_uniforms(prior.options.uniforms, n, dimension, rng, stream, step,
                                   prior.coefficients.options(), first_index);
    return ops::inverse_cdf(u, inverse())
        .reshape(prior.is_mixture() ? at::IntArrayRef{n, shape[0]} : at::IntArrayRef{n, shape[0], shape[1]});
  }

  Tensor log_prob(const Tensor& z) const override {
    const Tensor nearest = z.clamp(reference.domain.first, reference.domain.second);
    return minus_infinity_outside(z, log_densities(nearest).flatten(1).sum(1), reference.domain);
  }

  Tensor score(const Tensor& z) const override {
    const c10::AutoGradMode no_grad(false);
    check_current(versions_);
    const Tensor all = of_components(z);
    Tensor slopes = formulas.slopes(all.flatten(1)).reshape_as(all);
    if (!reference.is_flat()) slopes = slopes + reference.score(all);
    return prior.is_mixture() ? (joint(all).softmax(2) * slopes).sum(2) : slopes;
  }

  Tensor weighted_log_prob(const Tensor& z, const Tensor& weight, const Rng&, int64_t) const override {
    return (weight * log_densities(z).flatten(1).sum(1)).sum();
  }

  const CoordinateDistribution* distribution() const override { return this; }
  const ops::InverseTable* table() const override { return &inverse(); }
  const WhiteCoordinates* white() const override { return this; }

  Tensor cdf(const Tensor& z) const override { return ops::forward_cdf(z.flatten(1), inverse()).reshape_as(z); }
  Tensor icdf(const Tensor& u) const override { return ops::inverse_cdf(u.flatten(1), inverse()).reshape_as(u); }

  PriorCurves curves(int64_t points) const override {
    const c10::AutoGradMode no_grad(false);
    const auto dtype = prior.coefficients.options();
    const Tensor z =
        at::linspace(reference.domain.first, reference.domain.second, points, dtype.dtype(at::kDouble)).to(dtype);
    const Tensor grid = z.reshape({-1, 1, 1}).expand({points, prior.outputs(), prior.inputs()}).contiguous();
    const Tensor energy = formulas.values(grid.flatten(1)).reshape_as(grid);
    const Tensor log_reference = reference.log_density(grid);
    const Tensor cdf = ops::forward_cdf(grid.flatten(1), components().inverse).reshape_as(grid);
    return {z, energy, log_reference, (energy + log_reference - log_normaliser().detach()).exp(), cdf};
  }

  std::pair<Tensor, Tensor> to_latent(const Tensor& y) const override {
    const c10::AutoGradMode no_grad(false);
    const Tensor z = icdf(uniform_of_normal(y));
    return {z, (log_standard_normal(y) - log_densities(z)).exp()};
  }

  Tensor to_white(const Tensor& z) const override {
    const c10::AutoGradMode no_grad(false);
    return normal_of_uniform(cdf(z));
  }

 private:
  /// z [n,Q,P] as it is; of a mixture z [n,Q] for each component.
  Tensor of_components(const Tensor& z) const {
    return prior.is_mixture() ? z.unsqueeze(-1).expand({z.size(0), prior.outputs(), prior.inputs()}) : z;
  }

  /// log p_qp (of a mixture log α_qp p_qp) of all [n,Q,P] -> the same shape.
  Tensor joint(const Tensor& all) const {
    Tensor value = formulas.values(all.flatten(1)).reshape_as(all) - log_normaliser();
    if (!reference.is_flat()) value = value + reference.log_density(all);
    return prior.is_mixture() ? value + prior.log_proportions : value;
  }

  /// log density of each coordinate, shaped as z.
  Tensor log_densities(const Tensor& z) const {
    const Tensor terms = joint(of_components(z));
    return prior.is_mixture() ? terms.logsumexp(2) : terms;
  }

  /// f_qp + log π0_p at nodes x [K,1] of all components q·P + p, or of those that are asked for: [C,K].
  Tensor at_nodes(const Tensor& x, const Tensor& which) const {
    const int64_t count = prior.inputs() * prior.outputs();
    const Tensor component = which.defined() ? which : at::arange(count, x.options().dtype(at::kLong));
    const Tensor nodes = x.expand({x.size(0), component.numel()});
    const FormulaSet set = which.defined() ? FormulaSet(prior.function.flatten().index_select(0, which),
                                                        prior.coefficients.flatten(0, 1).index_select(0, which))
                                           : formulas;
    const Tensor energy = set.values(nodes).t();
    if (reference.is_flat()) return energy;
    const Tensor log_reference = reference.log_density(x.expand({x.size(0), prior.inputs()})).t();  // [P,K]
    return energy + log_reference.index_select(0, component.remainder(prior.inputs()));
  }

  PriorTable table_of(int64_t count, const std::function<Tensor(const Tensor&, const Tensor&)>& log_density) const {
    const TableDensity density = {1, count, false, prior.coefficients.options(),
                                  [&](const Tensor& x, const Tensor&, std::optional<int64_t>, const Tensor& which) {
                                    return log_density(x, which).unsqueeze(0);
                                  }};
    const auto [a, b] = reference.domain;
    const int64_t cells = std::max(prior.options.quadrature_nodes, kLeastCells);
    const Tensor edges = at::linspace(a, b, cells + 1, prior.coefficients.options().dtype(at::kDouble)).unsqueeze(0);
    return tabulate(density, lay_out(density, edges));
  }

  const PriorTable& components() const {
    check_current(versions_);
    if (components_) return *components_;
    const c10::AutoGradMode as_when_made(with_graph_);
    components_ = table_of(prior.inputs() * prior.outputs(),
                           [this](const Tensor& x, const Tensor& which) { return at_nodes(x, which); });
    return *components_;
  }

  /// log Z [Q,P]; with a graph where π0 is trained.
  Tensor log_normaliser() const { return components().log_normaliser.reshape({prior.outputs(), prior.inputs()}); }

  /// The table of the coordinates: that of the components, or of the mixtures of each q.
  const ops::InverseTable& inverse() const {
    if (!prior.is_mixture()) return components().inverse;
    check_current(versions_);
    if (mixture_) return mixture_->inverse;
    const c10::AutoGradMode no_grad(false);
    const int64_t p_count = prior.inputs();
    const Tensor constant = prior.log_proportions - log_normaliser().detach();  // [Q,P]
    mixture_ = table_of(prior.outputs(), [&](const Tensor& x, const Tensor& which) {
      const Tensor q = which.defined() ? which : at::arange(prior.outputs(), x.options().dtype(at::kLong));
      const Tensor component = (q.unsqueeze(1) * p_count + at::arange(p_count, q.options())).flatten();
      const Tensor terms = at_nodes(x, component).reshape({q.numel(), p_count, -1});
      return (terms + constant.index_select(0, q).unsqueeze(2)).logsumexp(1);
    });
    return mixture_->inverse;
  }

  SymbolicPrior& prior;
  const ReferenceDensity& reference;
  FormulaSet formulas;
  bool with_graph_;
  Versions versions_;
  mutable std::optional<PriorTable> components_, mixture_;
};

/// Copies π0's parameters and the proportions.
void copy_rest(const ReferenceDensity& reference, const Tensor& log_proportions, SymbolicPrior& into) {
  const c10::AutoGradMode no_grad(false);
  auto own = into.reference->named_parameters();
  for (const auto& p : reference.named_parameters()) own[p.key()].copy_(p.value());
  if (into.is_mixture()) into.log_proportions.copy_(log_proportions.detach());
}

}  // namespace

SymbolicPrior::SymbolicPrior(const PriorOptions& prior_options) : options(prior_options) {
  const auto& widths = options.layer_widths;
  if (widths.size() != 2)
    throw ConfigError(
        str("[EbmModel] energies = symbolic: expected layer_widths = P,Q (two numbers), got ", widths.size()));
  options.energies = "symbolic";
  reference =
      register_module("reference", make_reference_density(options.reference, options.basis.grid_range, inputs()));
  auto& [a, b] = reference->domain;
  a = static_cast<float>(a), b = static_cast<float>(b);  // the ends of a KAN layer's knots
  if (!is_mixture()) offset_ = static_cast<double>(inputs()) * mean_of(*reference, inputs());
  function = register_buffer("function", at::zeros({outputs(), inputs()}, at::kLong));
  coefficients = register_buffer("coefficients", at::zeros({outputs(), inputs(), 4}));
  if (is_mixture())
    log_proportions =
        register_buffer("log_proportions", at::full({outputs(), inputs()}, -std::log(static_cast<double>(inputs()))));
}

std::shared_ptr<const PriorView> SymbolicPrior::view() { return std::make_shared<SymbolicView>(*this); }

std::vector<int64_t> SymbolicPrior::latent_shape() const {
  return is_mixture() ? std::vector{outputs()} : std::vector{outputs(), inputs()};
}

void SymbolicPrior::set_flat(const Tensor& which) {
  const c10::AutoGradMode no_grad(false);
  function.masked_fill_(which, 0);
  coefficients.masked_fill_(which.unsqueeze(2), 0);
}

Tensor SymbolicPrior::features(const Tensor& z) const {
  if (is_mixture()) return z;
  const Tensor sum = z.sum(-1);
  return offset_ == 0 ? sum : sum - offset_;
}

Tensor SymbolicPrior::features_pullback(const Tensor& grad) const {
  return is_mixture() ? grad : grad.unsqueeze(-1).expand({grad.size(0), outputs(), inputs()});
}

std::shared_ptr<Prior> with_formulas(const Prior& prior, const PriorOptions& options, const Formulas& formulas) {
  const c10::AutoGradMode no_grad(false);
  const auto made = std::make_shared<SymbolicPrior>(options);
  Tensor like;
  const auto take = [&](const Tensor& number, const ReferenceDensity& reference, const Tensor& log_proportions) {
    like = number;
    made->to(number.scalar_type());
    copy_rest(reference, log_proportions, *made);
  };
  if (const auto* symbolic = dynamic_cast<const SymbolicPrior*>(&prior)) {
    take(symbolic->coefficients, *symbolic->reference, symbolic->log_proportions);
  } else if (const auto* components = dynamic_cast<const ComponentPrior*>(&prior)) {
    const auto* mixture = dynamic_cast<const MixturePrior*>(components);
    take(components->layer->coefficients, *components->reference,
         mixture != nullptr ? mixture->log_proportions() : Tensor());
  } else {
    throw UsageError("closed forms: a deep prior has no energies of single coordinates");
  }
  made->coefficients.copy_(formulas.coefficients), made->function.copy_(formulas.function);
  made->to(like.device());
  return made;
}

}  // namespace kaem
