// A KAN layer in tiles against features times folded weights, and what it keeps in memory.
#include <c10/core/Allocator.h>
#include <c10/util/ThreadLocalDebugInfo.h>

#include <algorithm>
#include <memory>

#include "kaem/core/str.h"
#include "kaem/ops/rows.h"
#include "support.h"

namespace kaem::ops {
namespace {

constexpr size_t kTau = 1;

/// Values of a layer, and their gradients for a fixed weighting of the outputs.
struct Layer {
  BasisKind kind = BasisKind::kRbf;
  Tensor x, tau, base, spline, coefficients, knots, weighting;

  Layer to(at::ScalarType type) const {
    Layer other = *this;
    for (Tensor* t : {&other.x, &other.tau, &other.base, &other.spline, &other.coefficients, &other.knots})
      if (t->defined()) *t = t->detach().to(type).requires_grad_(t != &other.knots);
    other.tau = tau_leaf(other.tau.detach(), kind);
    other.weighting = weighting.to(type);
    return other;
  }
  /// x, tau (at kTau), then the weights.
  std::vector<Tensor> leaves() const {
    std::vector<Tensor> all = {x, tau, spline, coefficients};
    if (base.defined()) all.push_back(base);
    return all;
  }
};

Layer make_layer(const Case& c, int64_t outputs) {
  Layer l;
  l.kind = c.kind;
  l.knots = make_knots(c), l.x = make_points(c, l.knots).clamp(-3, 3);
  l.tau = as_float_sees(at::full({}, c.tau, wide()));
  l.spline = as_float_sees(at::randn({c.inputs, outputs}, wide()));
  if (c.activation != Activation::kNone) l.base = as_float_sees(at::randn({c.inputs, outputs}, wide()));
  l.coefficients =
      as_float_sees(at::randn({c.inputs, c.features() - (c.activation != Activation::kNone ? 1 : 0), outputs}, wide()));
  l.weighting = as_float_sees(at::randn({c.rows, outputs}, wide()));
  return l;
}

Tensor run(const Layer& l, const BasisSpec& spec, Precision precision = Precision::kFull) {
  return kan_layer(l.x, l.knots, l.tau, l.base, l.spline, l.coefficients, spec, precision);
}

TEST(KanLayer, InTilesEqualsFeaturesTimesFoldedWeights) {
  at::manual_seed(5);
  for (const auto& [kind, name] : kinds())
    for (const auto activation : {Activation::kSilu, Activation::kNone})
      // One tile, and (more than a million folded weights) three that are not of one size.
      for (const auto& [inputs, outputs] : std::vector<std::pair<int64_t, int64_t>>{{19, 33}, {151, 1600}}) {
        const Case c{.kind = kind, .activation = activation, .intervals = 9, .inputs = inputs, .rows = 37};
        const Layer layer = make_layer(c, outputs), wide_layer = layer.to(at::kDouble), floats = layer.to(at::kFloat);
        const Tensor weights =
            reference::fold_weights(wide_layer.base, wide_layer.spline, wide_layer.coefficients).flatten(0, 1);
        const Tensor want =
            reference::basis(wide_layer.x, wide_layer.knots, wide_layer.tau, c.spec()).flatten(1).mm(weights);
        const Tensor got = run(floats, c.spec());
        expect_close(got.detach(), want.detach(), 3e-6, name);
        EXPECT_TRUE(at::equal(got.detach(),
                              [&] {
                                const c10::AutoGradMode no_grad(false);
                                return run(floats, c.spec());
                              }()))
            << name << ": the same without gradients";
        want.backward(wide_layer.weighting), got.backward(floats.weighting);
        const auto wide_leaves = wide_layer.leaves(), float_leaves = floats.leaves();
        for (size_t i = 0; i < float_leaves.size(); ++i) {
          if (i == kTau) continue;
          expect_close(float_leaves[i].grad(), wide_leaves[i].grad(), 5e-6, str(name, " gradient ", i));
        }
        if (!wide_layer.tau.grad().defined()) {
          if (floats.tau.grad().defined()) {
            EXPECT_EQ(floats.tau.grad().item<float>(), 0) << name;
          }
          continue;
        }
        // One sum over everything: its error is that of the terms.
        const c10::AutoGradMode no_grad(false);
        const Tensor slopes = reference::basis_tau_derivative(wide_layer.x, wide_layer.knots, wide_layer.tau, c.spec());
        const Tensor terms = slopes * wide_layer.weighting.mm(weights.t()).reshape_as(slopes);
        expect_within(floats.tau.grad(), wide_layer.tau.grad(), 1e-6 * terms.abs().sum().item<double>(),
                      str(name, " gradient of tau"));
      }
}

TEST(KanLayer, GivesOnlyTheGradientsThatAreWanted) {
  at::manual_seed(6);
  const Case c{.intervals = 9, .inputs = 150, .rows = 20};
  const Layer all = make_layer(c, 1000).to(at::kFloat);
  run(all, c.spec()).backward(all.weighting);
  for (int wanted = 0; wanted < 5; ++wanted) {
    Layer one = all.to(at::kFloat);
    std::vector<Tensor*> leaves = {&one.x, &one.tau, &one.spline, &one.coefficients, &one.base};
    for (int i = 0; i < 5; ++i)
      *leaves[static_cast<size_t>(i)] = leaves[static_cast<size_t>(i)]->detach().requires_grad_(i == wanted);
    run(one, c.spec()).backward(one.weighting);
    for (int i = 0; i < 5; ++i) {
      const Tensor got = leaves[static_cast<size_t>(i)]->grad();
      EXPECT_EQ(got.defined(), i == wanted) << i << " of " << wanted;
      if (i == wanted) {
        EXPECT_TRUE(at::equal(got, all.leaves()[static_cast<size_t>(i)].grad())) << i;
      }
    }
  }
}

// Importance weights leave most rows without a gradient: these are left out, which must not be seen.
TEST(KanLayer, RowsWithoutGradientChangeNothing) {
  at::manual_seed(7);
  const int64_t rows = 40;
  for (const int64_t in_use : {0, 1, 9, 30, 31}) {  // at most 30 of 40 are taken out, more are left where they are
    for (const int64_t outputs : {20, 1600}) {      // one tile, two tiles
      const Case c{.intervals = 9, .inputs = 150, .rows = rows};
      Layer layer = make_layer(c, outputs);
      const Tensor order = at::randperm(rows);
      layer.weighting.index_fill_(0, order.slice(0, 0, rows - in_use), 0);
      const Layer floats = layer.to(at::kFloat), wide_layer = layer.to(at::kDouble);
      run(floats, c.spec()).backward(floats.weighting);
      const Tensor weights =
          reference::fold_weights(wide_layer.base, wide_layer.spline, wide_layer.coefficients).flatten(0, 1);
      reference::basis(wide_layer.x, wide_layer.knots, wide_layer.tau, c.spec())
          .flatten(1)
          .mm(weights)
          .backward(wide_layer.weighting);
      for (size_t i = 0; i < floats.leaves().size(); ++i) {
        const Tensor got = floats.leaves()[i].grad(), want = wide_layer.leaves()[i].grad();
        if (in_use == 0)
          EXPECT_EQ(got.abs().max().item<float>(), 0) << i;
        else if (i != kTau)
          expect_close(got, want, 5e-6, str("gradient ", i, " of ", in_use, " rows"));
        else
          EXPECT_NEAR(got.item<double>(), want.item<double>(), 1e-4 * layer.weighting.abs().sum().item<double>());
      }
    }
  }
}

TEST(KanLayer, TakesNoRows) {
  at::manual_seed(9);
  for (const auto type : {at::kFloat, at::kDouble}) {
    const Layer layer = make_layer({.intervals = 5, .inputs = 3, .rows = 8}, 2).to(type);
    const Tensor x = layer.x.detach().narrow(0, 0, 0).requires_grad_(true);
    const Tensor y =
        kan_layer(x, layer.knots, layer.tau, layer.base, layer.spline, layer.coefficients, Case{.intervals = 5}.spec());
    EXPECT_EQ(y.sizes(), at::IntArrayRef({0, 2}));
    y.sum().backward();
    EXPECT_EQ(layer.coefficients.grad().abs().max().item<double>(), 0);
  }
}

TEST(KanLayer, RefusesWhatDoesNotFit) {
  const Case c{.intervals = 5, .inputs = 3, .rows = 4};
  const Layer good = make_layer(c, 2).to(at::kFloat);
  EXPECT_EQ(run(good, c.spec()).sizes(), at::IntArrayRef({4, 2}));
  Layer bad = good;
  bad.base = Tensor();
  EXPECT_THROW(run(bad, c.spec()), c10::Error);
  bad = good, bad.coefficients = at::zeros({3, 4, 2});
  EXPECT_THROW(run(bad, c.spec()), c10::Error);
  bad = good, bad.x = at::zeros({4, 2});
  EXPECT_THROW(run(bad, c.spec()), c10::Error);
  BasisSpec none = c.spec();
  none.activation = Activation::kNone;
  EXPECT_THROW(run(good, none), c10::Error);
}

TEST(KanLayer, InBFloat16IsTheProductOfRoundedOperands) {
  at::manual_seed(7);
  const Case c{.intervals = 9, .inputs = 150, .rows = 37};
  const Layer layer = make_layer(c, 1000), wide_layer = layer.to(at::kDouble);
  const Tensor exact = run(wide_layer, c.spec());
  const auto rounded = [](const Tensor& t) { return t.to(at::kBFloat16).to(at::kDouble); };
  const c10::AutoGradMode no_grad(false);
  const Layer floats = layer.to(at::kFloat);
  const Tensor want = rounded(basis(floats.x, floats.knots, floats.tau, c.spec()).flatten(1))
                          .mm(rounded(fold_weights(floats.base, floats.spline, floats.coefficients).flatten(0, 1)));
  const Tensor got = run(floats, c.spec(), Precision::kBFloat16);
  EXPECT_EQ(got.scalar_type(), at::kFloat);
  // Each tile's result is rounded once: half a unit in the eighth binary digit of the largest.
  expect_close(got, want, 0x1p-8, "rounded operands");
  EXPECT_GT((got.to(at::kDouble) - exact).abs().max().item<double>(), 1e-4 * exact.abs().max().item<double>())
      << "this was no bfloat16";
}

TEST(KanLayer, InBFloat16HasGradientsNearThoseOfFloat32) {
  at::manual_seed(8);
  const Case c{.intervals = 9, .inputs = 150, .rows = 37};
  const Layer layer = make_layer(c, 1000), full = layer.to(at::kFloat), half = layer.to(at::kFloat);
  run(full, c.spec()).backward(full.weighting);
  run(half, c.spec(), Precision::kBFloat16).backward(half.weighting);
  const auto want = full.leaves(), got = half.leaves();
  for (size_t i = 0; i < want.size(); ++i) {
    EXPECT_EQ(got[i].grad().scalar_type(), at::kFloat) << i;
    if (i != kTau) expect_close(got[i].grad(), want[i].grad(), 2e-2, str("gradient ", i));
  }
}

/// Counts the bytes of live CPU tensors.
struct Meter : c10::MemoryReportingInfoBase {
  void reportMemoryUsage(void*, int64_t size, size_t, size_t, c10::Device) override {
    live += size, peak = std::max(peak, live);
  }
  bool memoryProfilingEnabled() const override { return true; }
  int64_t live = 0, peak = 0;
};

TEST(KanLayer, NeedsLittleMoreThanWeightsAndGradients) {
  // 40 MB of weights. Folding them whole, with its gradient, would add 72 MB.
  const Case c{.intervals = 7, .inputs = 1000, .rows = 100};
  Layer layer = make_layer(c, 1000).to(at::kFloat);
  int64_t weights = 0;
  for (const Tensor& t : {layer.base, layer.spline, layer.coefficients}) weights += static_cast<int64_t>(t.nbytes());
  const auto meter = std::make_shared<Meter>();
  {
    const c10::DebugInfoGuard guard(c10::DebugInfoKind::PROFILER_STATE, meter);
    run(layer, c.spec()).backward(layer.weighting);
  }
  EXPECT_GE(meter->peak, weights) << "the gradients at least";
  EXPECT_LE(weights + meter->peak, 2 * weights + 2 * weights / 5) << meter->peak << " bytes beside " << weights;
}

TEST(RowsInUse, AreAllThatCountAndSomeThatFillUp) {
  Tensor used = at::zeros({200}, at::kBool);
  EXPECT_EQ(rows_in_use(used).numel(), 0);
  used[7] = used[150] = used[199] = true;
  const Tensor rows = rows_in_use(used);
  ASSERT_EQ(rows.numel(), 32);
  EXPECT_GT(rows.diff().min().item<int64_t>(), 0) << "ascending";
  EXPECT_EQ(used.index_select(0, rows).sum().item<int64_t>(), 3);
  used.slice(0, 0, 130).fill_(true);  // 132 of 200, with those that fill up 160: leaving out 40 would not pay
  EXPECT_FALSE(rows_in_use(used).defined());
}

}  // namespace
}  // namespace kaem::ops
