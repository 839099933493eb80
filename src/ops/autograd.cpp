#include "ops/autograd.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>

namespace kaem::ops::autograd {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

raw::Optional optional(const Tensor& t) { return t.defined() ? raw::Optional(t) : std::nullopt; }

/// Room for a gradient of t, where it is wanted.
Tensor space_like(const Tensor& t, bool wanted) {
  return wanted ? at::empty_like(t, at::MemoryFormat::Contiguous) : Tensor();
}

/// A fused backward builds no graph: silence would be a wrong second derivative.
void refuse_second_order(const char* name) {
  TORCH_CHECK_NOT_IMPLEMENTED(!c10::GradMode::is_enabled(), name,
                              ": second derivatives need float64 tensors (the plain-ATen reference)");
}

struct SavedSpec {
  static void save(AutogradContext* ctx, int64_t kind, int64_t degree, int64_t activation) {
    ctx->saved_data["kind"] = kind;
    ctx->saved_data["degree"] = degree;
    ctx->saved_data["activation"] = activation;
  }
  explicit SavedSpec(AutogradContext* ctx)
      : kind(ctx->saved_data["kind"].toInt()),
        degree(ctx->saved_data["degree"].toInt()),
        activation(ctx->saved_data["activation"].toInt()) {}
  int64_t kind, degree, activation;
};

struct Basis : Function<Basis> {
  static Tensor forward(AutogradContext* ctx, const Tensor& x, const Tensor& tau, const Tensor& knots,
                        const raw::Optional& cell, int64_t kind, int64_t degree, int64_t activation) {
    SavedSpec::save(ctx, kind, degree, activation);
    ctx->save_for_backward({x, tau, knots, cell.value_or(Tensor())});
    return raw::basis_forward(x, cell, knots, tau, kind, degree, activation);
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    refuse_second_order("basis");
    const auto saved = ctx->get_saved_variables();
    const SavedSpec spec(ctx);
    auto [x, tau] =
        raw::basis_backward(grads[0], saved[0], optional(saved[3]), saved[2], saved[1], spec.kind, spec.degree,
                            spec.activation, {ctx->needs_input_grad(0), ctx->needs_input_grad(1)});
    return {x, tau, {}, {}, {}, {}, {}};
  }
};

struct Fold : Function<Fold> {
  // An absent optional has no place among the inputs that need_input_grad counts, so it comes last.
  static Tensor forward(AutogradContext* ctx, const Tensor& spline_weight, const Tensor& coefficients,
                        const raw::Optional& base_weight) {
    ctx->save_for_backward({spline_weight, coefficients});
    ctx->saved_data["base"] = base_weight.has_value();
    return raw::fold_forward(base_weight, spline_weight, coefficients);
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    refuse_second_order("fold_weights");
    const auto saved = ctx->get_saved_variables();
    const bool base_wanted = ctx->saved_data["base"].toBool() && ctx->needs_input_grad(2);
    const Tensor base = space_like(saved[0], base_wanted), spline = space_like(saved[0], ctx->needs_input_grad(0)),
                 coefficients = space_like(saved[1], ctx->needs_input_grad(1));
    raw::fold_backward(grads[0], saved[0], saved[1], optional(base), optional(spline), optional(coefficients));
    return {spline, coefficients, base};
  }
};

/// Inputs of a KAN layer that are folded and multiplied together. On the CPU the folded weights of a tile stay in the
/// processor's caches; on a GPU the number of launches counts more.
class Tiles {
 public:
  Tiles(const Tensor& coefficients, int64_t features)
      : inputs_(coefficients.size(0)), row_(std::max<int64_t>(1, features * coefficients.size(2))) {
    const int64_t most = coefficients.is_cpu() ? int64_t{1} << 20 : int64_t{1} << 24;
    count_ = std::clamp<int64_t>((inputs_ * row_ + most - 1) / most, 1, std::max<int64_t>(1, inputs_));
  }
  int64_t count() const { return count_; }
  /// Whether all folded weights are few enough to be kept until the backward pass.
  bool few() const { return inputs_ * row_ <= int64_t{1} << 22; }
  int64_t begin(int64_t tile) const { return inputs_ * tile / count_; }
  int64_t size(int64_t tile) const { return begin(tile + 1) - begin(tile); }
  /// The tile's part of t along `axis`, of which there is one entry an input; undefined stays so.
  Tensor part(const Tensor& t, int64_t tile, int64_t axis = 0) const {
    return t.defined() && count_ > 1 ? t.narrow(axis, begin(tile), size(tile)) : t;
  }

 private:
  int64_t inputs_, row_, count_;
};

struct Layer : Function<Layer> {
  /// What the backward pass needs, in the order in which it is saved. The tiles' features follow, then their folded
  /// weights where these are few.
  enum Saved { kX, kTau, kSpline, kCoefficients, kKnots, kBase, kFeatures };

  static Tensor forward(AutogradContext* ctx, const Tensor& x, const Tensor& tau, const Tensor& spline_weight,
                        const Tensor& coefficients, const Tensor& knots, int64_t kind, int64_t degree,
                        int64_t activation, int64_t precision, const raw::Optional& base_weight) {
    SavedSpec::save(ctx, kind, degree, activation);
    ctx->saved_data["precision"] = precision;
    variable_list saved = {x, tau, spline_weight, coefficients, knots, base_weight.value_or(Tensor())};
    const Tensor y = run(saved, {static_cast<BasisKind>(kind), degree, static_cast<Activation>(activation)},
                         static_cast<Precision>(precision), /*keep=*/true);
    ctx->save_for_backward(saved);
    return y;
  }

  /// y of the first values of `saved`; `keep` appends what the backward pass needs of each tile.
  static Tensor run(variable_list& saved, const BasisSpec& spec, Precision precision, bool keep) {
    const auto kind = static_cast<int64_t>(spec.kind), activation = static_cast<int64_t>(spec.activation);
    const Tiles tiles = tiles_of(saved, spec);
    variable_list weights;
    Tensor y;
    for (int64_t t = 0; t < tiles.count(); ++t) {
      const Tensor features =
          round_to(raw::basis_forward(tiles.part(saved[kX], t, 1), std::nullopt, tiles.part(saved[kKnots], t),
                                      saved[kTau], kind, spec.degree, activation)
                       .flatten(1),
                   precision);
      const Tensor weight = folded(saved, tiles, t, precision), part = product(features, weight, precision);
      y = y.defined() ? y.add_(part) : part;
      if (keep) saved.push_back(features);
      if (keep && tiles.few()) weights.push_back(weight);
    }
    saved.insert(saved.end(), weights.begin(), weights.end());
    return y;
  }

  static Tiles tiles_of(const variable_list& saved, const BasisSpec& spec) {
    return {saved[kCoefficients], feature_count(spec, grid_size_of(spec, saved[kKnots]))};
  }

  /// Weights [t·F,O] of a tile, as an operand.
  static Tensor folded(const variable_list& saved, const Tiles& tiles, int64_t t, Precision precision) {
    const Tensor weight = raw::fold_forward(optional(tiles.part(saved[kBase], t)), tiles.part(saved[kSpline], t),
                                            tiles.part(saved[kCoefficients], t));
    return round_to(weight.flatten(0, 1), precision);
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    refuse_second_order("kan_layer");
    const auto saved = ctx->get_saved_variables();
    const SavedSpec spec(ctx);
    const auto precision = static_cast<Precision>(ctx->saved_data["precision"].toInt());
    const bool want_x = ctx->needs_input_grad(0), want_tau = ctx->needs_input_grad(1);
    const Tensor used = rows_in_use(at::any(grads[0], 1));
    const auto in_use = [&](const Tensor& t) { return used.defined() ? t.index_select(0, used) : t; };
    const Tensor grad = round_to(in_use(grads[0]), precision);
    const BasisSpec basis = {static_cast<BasisKind>(spec.kind), spec.degree, static_cast<Activation>(spec.activation)};
    const int64_t rows = grad.size(0), outputs = grad.size(1),
                  features = feature_count(basis, grid_size_of(basis, saved[kKnots]));
    const Tiles tiles = tiles_of(saved, basis);
    const Tensor x = space_like(saved[kX], want_x), spline = space_like(saved[kSpline], ctx->needs_input_grad(2)),
                 coefficients = space_like(saved[kCoefficients], ctx->needs_input_grad(3)),
                 base = space_like(saved[kBase], saved[kBase].defined() && ctx->needs_input_grad(5));
    Tensor tau;
    for (int64_t t = 0; t < tiles.count(); ++t) {
      const std::vector<int64_t> shape = {tiles.size(t), features, outputs};
      if (want_x || want_tau) {
        const Tensor weight = tiles.few() ? saved[static_cast<size_t>(kFeatures + tiles.count() + t)]
                                          : folded(saved, tiles, t, precision);
        const Tensor pulled = product(grad, weight.t(), precision);
        const auto [part_x, part_tau] = raw::basis_backward(
            pulled.reshape({rows, tiles.size(t), features}), in_use(tiles.part(saved[kX], t, 1)), std::nullopt,
            tiles.part(saved[kKnots], t), saved[kTau], spec.kind, spec.degree, spec.activation, {want_x, want_tau});
        if (want_x && used.defined())
          tiles.part(x, t, 1).zero_().index_copy_(0, used, part_x);
        else if (want_x)
          tiles.part(x, t, 1).copy_(part_x);
        if (want_tau) tau = tau.defined() ? tau.add_(part_tau) : part_tau;
      }
      if (!spline.defined() && !coefficients.defined() && !base.defined()) continue;
      const Tensor folded_grad = product(in_use(saved[static_cast<size_t>(kFeatures + t)]).t(), grad, precision);
      raw::fold_backward(folded_grad.reshape(shape), tiles.part(saved[kSpline], t), tiles.part(saved[kCoefficients], t),
                         optional(tiles.part(base, t)), optional(tiles.part(spline, t)),
                         optional(tiles.part(coefficients, t)));
    }
    return {x, tau, spline, coefficients, {}, {}, {}, {}, {}, base};
  }
};

struct EdgeSum : Function<EdgeSum> {
  static Tensor forward(AutogradContext* ctx, const Tensor& z, const Tensor& tau, const Tensor& weights,
                        const Tensor& knots, int64_t kind, int64_t degree, int64_t activation) {
    SavedSpec::save(ctx, kind, degree, activation);
    ctx->save_for_backward({z, tau, weights, knots});
    return raw::edge_sum_forward(z, knots, tau, weights, kind, degree, activation);
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    refuse_second_order("edge_sum");
    const auto saved = ctx->get_saved_variables();
    const SavedSpec spec(ctx);
    auto [z, tau, weights] = raw::edge_sum_backward(
        grads[0], saved[0], saved[3], saved[1], saved[2], spec.kind, spec.degree, spec.activation,
        {ctx->needs_input_grad(0), ctx->needs_input_grad(1), ctx->needs_input_grad(2)});
    return {z, tau, weights, {}, {}, {}, {}};
  }
};

/// Gradients are found with the value, which is Σ w ∂/∂w.
struct WeightedEdgeSum : Function<WeightedEdgeSum> {
  static Tensor forward(AutogradContext* ctx, const Tensor& z, const Tensor& tau, const Tensor& weights,
                        const Tensor& weight, const Tensor& knots, int64_t kind, int64_t degree, int64_t activation) {
    const auto [of_z, of_tau, of_weights] = raw::edge_sum_backward(
        weight, z, knots, tau, weights, kind, degree, activation, {z.requires_grad(), tau.requires_grad(), true});
    ctx->save_for_backward({of_z, of_tau, of_weights});
    return (weights * of_weights).sum();
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    refuse_second_order("weighted_edge_sum");
    variable_list out = ctx->get_saved_variables();
    for (Tensor& t : out) t = t.defined() ? t * grads[0] : t;
    out.resize(8);
    return out;
  }
};

struct Masses : Function<Masses> {
  static variable_list forward(AutogradContext* ctx, const Tensor& log_density, const Tensor& widths,
                               bool split_edges) {
    auto [log_normaliser, error, cdf, slope, gradient] = raw::cell_masses(log_density, widths, split_edges, true);
    ctx->save_for_backward({gradient});
    ctx->mark_non_differentiable({error, cdf, slope});
    ctx->set_materialize_grads(false);  // or each backward pass would fill tables of zeros for the other three
    return {log_normaliser, error, cdf, slope};
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    refuse_second_order("cell_masses");
    if (!grads[0].defined()) return {{}, {}, {}};
    const Tensor gradient = ctx->get_saved_variables()[0], &weight = grads[0];
    // Where Σ log Z is subtracted from a loss, the weight of every component is the one number 1.
    const bool one_number = weight.is_cpu() && weight.numel() > 0 && weight.stride(0) == 0;
    if (one_number && weight[0].item<double>() == 1.0) return {gradient, {}, {}};
    return {gradient * weight.unsqueeze(1), {}, {}};
  }
};

bool wants(std::initializer_list<Tensor> inputs) {
  if (!c10::GradMode::is_enabled()) return false;
  for (const Tensor& t : inputs) {
    if (t.defined() && t.requires_grad()) return true;
  }
  return false;
}

}  // namespace

Tensor basis(const Tensor& x, const Tensor& knots, const Tensor& tau, const BasisSpec& spec, const Tensor& cell) {
  const auto kind = static_cast<int64_t>(spec.kind), activation = static_cast<int64_t>(spec.activation);
  if (wants({x, tau})) return Basis::apply(x, tau, knots, optional(cell), kind, spec.degree, activation);
  return raw::basis_forward(x, optional(cell), knots, tau, kind, spec.degree, activation);
}

Tensor fold_weights(const Tensor& base_weight, const Tensor& spline_weight, const Tensor& coefficients) {
  if (wants({base_weight, spline_weight, coefficients}))
    return Fold::apply(spline_weight, coefficients, optional(base_weight));
  return raw::fold_forward(optional(base_weight), spline_weight, coefficients);
}

Tensor kan_layer(const Tensor& x, const Tensor& knots, const Tensor& tau, const Tensor& base_weight,
                 const Tensor& spline_weight, const Tensor& coefficients, const BasisSpec& spec, Precision precision) {
  if (wants({x, tau, base_weight, spline_weight, coefficients}))
    return Layer::apply(x, tau, spline_weight, coefficients, knots, static_cast<int64_t>(spec.kind), spec.degree,
                        static_cast<int64_t>(spec.activation), static_cast<int64_t>(precision), optional(base_weight));
  variable_list inputs = {x, tau, spline_weight, coefficients, knots, base_weight};
  return Layer::run(inputs, spec, precision, /*keep=*/false);
}

Tensor edge_sum(const Tensor& z, const Tensor& knots, const Tensor& tau, const Tensor& weights, const BasisSpec& spec) {
  const auto kind = static_cast<int64_t>(spec.kind), activation = static_cast<int64_t>(spec.activation);
  if (wants({z, tau, weights})) return EdgeSum::apply(z, tau, weights, knots, kind, spec.degree, activation);
  return raw::edge_sum_forward(z, knots, tau, weights, kind, spec.degree, activation);
}

Tensor weighted_edge_sum(const Tensor& z, const Tensor& weight, const Tensor& knots, const Tensor& tau,
                         const Tensor& weights, const BasisSpec& spec) {
  return WeightedEdgeSum::apply(z, tau, weights, weight, knots, static_cast<int64_t>(spec.kind), spec.degree,
                                static_cast<int64_t>(spec.activation));
}

CellMasses cell_masses(const Tensor& log_density, const Tensor& widths, bool split_edges) {
  if (wants({log_density})) {
    const auto out = Masses::apply(log_density, widths, split_edges);
    return {out[0], out[1], out[2], out[3]};
  }
  const auto out = raw::cell_masses(log_density, widths, split_edges, false);
  return {std::get<0>(out), std::get<1>(out), std::get<2>(out), std::get<3>(out)};
}

}  // namespace kaem::ops::autograd
