// A KAN layer is made of the operators of basis and fold, and of products.
#include <ATen/ATen.h>

#include <algorithm>

#include "kaem/ops/rows.h"
#include "ops/autograd.h"
#include "ops/basis/op.h"
#include "ops/checks.h"
#include "ops/fold/op.h"

namespace kaem::ops {
namespace {

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
                        const Tensor& coefficients, const Tensor& knots, const BasisSpec& spec, Precision precision,
                        const Optional& base_weight) {
    save_spec(ctx, numbers_of(spec));
    ctx->saved_data["precision"] = static_cast<int64_t>(precision);
    variable_list saved = {x, tau, spline_weight, coefficients, knots, base_weight.value_or(Tensor())};
    const Tensor y = run(saved, spec, precision, /*keep=*/true);
    ctx->save_for_backward(saved);
    return y;
  }

  /// y of the first values of `saved`; `keep` appends what the backward pass needs of each tile.
  static Tensor run(variable_list& saved, const BasisSpec& spec, Precision precision, bool keep) {
    const Tiles tiles = tiles_of(saved, spec);
    variable_list weights;
    Tensor y;
    for (int64_t t = 0; t < tiles.count(); ++t) {
      const Tensor features = round_to(raw::basis_forward(tiles.part(saved[kX], t, 1), std::nullopt,
                                                          tiles.part(saved[kKnots], t), saved[kTau], numbers_of(spec))
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
    const Spec spec = saved_spec(ctx);
    const BasisSpec basis = spec_of(spec);
    const auto precision = static_cast<Precision>(ctx->saved_data["precision"].toInt());
    const bool want_x = ctx->needs_input_grad(0), want_tau = ctx->needs_input_grad(1);
    const Tensor used = rows_in_use(at::any(grads[0], 1));
    const auto in_use = [&](const Tensor& t) { return used.defined() ? t.index_select(0, used) : t; };
    const Tensor grad = round_to(in_use(grads[0]), precision);
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
        const auto [part_x, part_tau] =
            raw::basis_backward(pulled.reshape({rows, tiles.size(t), features}), in_use(tiles.part(saved[kX], t, 1)),
                                std::nullopt, tiles.part(saved[kKnots], t), saved[kTau], spec, {want_x, want_tau});
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
    return {x, tau, spline, coefficients, {}, {}, {}, base};
  }
};

}  // namespace

Tensor kan_layer(const Tensor& x, const Tensor& knots, const Tensor& tau, const Tensor& base_weight,
                 const Tensor& spline_weight, const Tensor& coefficients, const BasisSpec& spec, Precision precision) {
  TORCH_CHECK_VALUE(x.dim() == 2, "kan_layer: expected x [N, I], got ", x.sizes());
  check_basis("kan_layer", x, x.size(1), knots, tau, spec);
  check_fold("kan_layer", base_weight, spline_weight, coefficients);
  const int64_t features = coefficients.size(1) + (base_weight.defined() ? 1 : 0),
                wanted = feature_count(spec, grid_size_of(spec, knots));
  TORCH_CHECK_VALUE(coefficients.size(0) == x.size(1) && features == wanted,
                    "kan_layer: expected coefficients (and base_weight) for ", x.size(1), " inputs of ", wanted,
                    " features, got ", coefficients.sizes(), base_weight.defined() ? " and base_weight" : "");
  TORCH_CHECK_VALUE(base_weight.defined() == (spec.activation != Activation::kNone),
                    "kan_layer: expected base_weight if, and only if, there is a base activation");
  check_same_kind("kan_layer", "coefficients", coefficients, x);
  if (!fused(x) || needs_reference(knots, tau, spec))
    return reference::kan_layer(x, knots, tau, base_weight, spline_weight, coefficients, spec, precision);
  if (wants({x, tau, base_weight, spline_weight, coefficients}))
    return Layer::apply(x, tau, spline_weight, coefficients, knots, spec, precision, optional(base_weight));
  variable_list inputs = {x, tau, spline_weight, coefficients, knots, base_weight};
  return Layer::run(inputs, spec, precision, /*keep=*/false);
}

namespace reference {

Tensor kan_layer(const Tensor& x, const Tensor& knots, const Tensor& tau, const Tensor& base_weight,
                 const Tensor& spline_weight, const Tensor& coefficients, const BasisSpec& spec, Precision precision) {
  return product(reference::basis(x, knots, tau, spec).flatten(1),
                 reference::fold_weights(base_weight, spline_weight, coefficients).flatten(0, 1), precision);
}

}  // namespace reference

}  // namespace kaem::ops
