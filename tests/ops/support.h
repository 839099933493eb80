#pragma once

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

#include "kaem/ops/density.h"
#include "kaem/ops/ops.h"

namespace kaem::ops {

using at::Tensor;

inline const std::vector<std::pair<BasisKind, const char*>>& kinds() {
  static const std::vector<std::pair<BasisKind, const char*>> all = {
#define KAEM_ROW(name, word, family) {BasisKind::k##name, #name},
      KAEM_BASES(KAEM_ROW)
#undef KAEM_ROW
  };
  return all;
}

/// A basis on a grid, and inputs that meet its difficult places.
struct Case {
  BasisKind kind = BasisKind::kRbf;
  int64_t degree = 3;
  Activation activation = Activation::kSilu;
  int64_t intervals = 20, inputs = 19, rows = 37;
  bool uniform = false;
  double tau = 0.9;

  BasisSpec spec() const { return {kind, degree, activation}; }
  int64_t features() const { return feature_count(spec(), intervals); }
};

inline at::TensorOptions wide() { return at::TensorOptions().dtype(at::kDouble); }

inline Tensor narrow(const Tensor& t) { return t.defined() ? t.to(at::kFloat) : t; }

/// What float32 sees of a float64 tensor: the reference implementation must be given the same numbers.
inline Tensor as_float_sees(const Tensor& t) { return t.to(at::kFloat).to(at::kDouble); }

/// tau as a leaf with a gradient; not that of a Morlet, whose frequency has one by the reference implementation alone:
/// the kernels would not be looked at.
inline Tensor tau_leaf(const Tensor& tau, BasisKind kind) {
  return tau.clone().requires_grad_(kind != BasisKind::kMorlet);
}

/// Knots as ops.h takes them; of wavelets, `outputs` rows for every input.
inline Tensor make_knots(const Case& c, int64_t outputs = 1) {
  if (is_wavelet(c.kind)) {
    const std::vector<int64_t> shape = {c.inputs * outputs, c.intervals};
    const Tensor centres =
        c.uniform ? at::linspace(-1.2, 1.2, c.intervals, wide()).expand(shape) : at::rand(shape, wide()) * 2.4 - 1.2;
    const double unit = 2.4 / static_cast<double>(c.intervals);
    return as_float_sees(at::cat({centres, (at::rand(shape, wide()) + 0.5) * unit}, 1));
  }
  const Tensor uniform = at::linspace(-1.2, 1.2, c.intervals + 1, wide()).repeat({c.inputs, 1});
  if (c.uniform) return as_float_sees(uniform);
  const Tensor gaps = at::rand({c.inputs, c.intervals}, wide()) + 0.2;
  const Tensor inner = gaps.cumsum(1) / gaps.sum(1, true) * 2.4 - 1.2;
  return as_float_sees(at::cat({at::full({c.inputs, 1}, -1.2, wide()), inner}, 1));
}

/// Rows of points inside and outside the grid, then its ends, its knots and 0.
inline Tensor make_points(const Case& c, const Tensor& knots) {
  Tensor x = (at::rand({c.rows, c.inputs}, wide()) - 0.5) * 5.0;
  for (int64_t row = 0; row + 3 < c.rows; row += 4) x[row] = (at::rand({c.inputs}, wide()) - 0.5) * 2.4;
  if (c.rows > 6) {
    x[1] = knots.select(1, 0).slice(0, 0, c.inputs);
    x[2] = knots.select(1, -1).slice(0, 0, c.inputs);
    x[3] = knots.select(1, c.intervals / 2).slice(0, 0, c.inputs);
    x[5].fill_(0.0);
    x[6].fill_(40.0);
  }
  return as_float_sees(x);
}

/// |got - want| <= bound everywhere, nothing NaN.
inline void expect_within(const Tensor& got, const Tensor& want, double bound, const std::string& what) {
  ASSERT_TRUE(got.defined()) << what;
  ASSERT_EQ(got.sizes(), want.sizes()) << what;
  if (want.numel() == 0) return;
  const double worst = (got.to(at::kDouble) - want.to(at::kDouble)).abs().max().item<double>();
  EXPECT_TRUE(worst <= bound) << what << ": off by " << worst << ", allowed " << bound;
}

/// |got - want| <= tolerance · max |want|, nothing NaN.
inline void expect_close(const Tensor& got, const Tensor& want, double tolerance, const std::string& what) {
  const double scale = want.numel() == 0 ? 0.0 : want.to(at::kDouble).abs().max().item<double>();
  expect_within(got, want, tolerance * scale, what);
}

/// What is no number in one component has to reach its results, and no others, or training would go on with a wrong
/// loss. `placed` brings float64 tensors to where the kernels are.
inline void expect_nan_reaches_masses(Tensor (*placed)(const Tensor&)) {
  at::manual_seed(11);
  for (const bool split : {false, true})
    for (const int64_t cells : {1, 16, 37, 300}) {
      const int64_t nodes = split ? 3 * cells : 2 * cells + 1;
      const Tensor density = at::randn({3, nodes}, wide()), widths = placed(at::rand({3, cells}, wide()) + 0.1);
      const CellMasses whole = cell_masses(placed(density), widths, split);
      for (const int64_t node : {int64_t{0}, nodes / 2, nodes - 1}) {
        const std::string what = std::to_string(cells) + " cells, node " + std::to_string(node);
        Tensor broken = density.clone();
        broken[1][node] = std::numeric_limits<double>::quiet_NaN();
        const CellMasses got = cell_masses(placed(broken), widths, split);
        EXPECT_TRUE(got.log_normaliser[1].isnan().item<bool>()) << what;
        EXPECT_FALSE(got.error[1].item<double>() <= 1) << what << ": no bound holds";
        for (const int64_t other : {0, 2}) EXPECT_TRUE(got.log_normaliser[other].equal(whole.log_normaliser[other]));
      }
    }
}

inline void expect_nan_reaches_scores(Tensor (*placed)(const Tensor&)) {
  for (const auto& [kind, name] : kinds()) {
    const Case c{.kind = kind, .inputs = 40};
    at::manual_seed(12);
    const Tensor knots = placed(make_knots(c, 2)), tau = placed(at::full({}, c.tau, wide()));
    const Tensor z = placed(at::rand({37, 2}, wide()) * 2 - 1),
                 weights = placed(at::randn({40, c.features(), 2}, wide()));
    for (const int64_t component : {0, 7, 39}) {
      Tensor constant = at::randn({2, 40}, wide());
      constant[1][component] = std::numeric_limits<double>::quiet_NaN();
      const Tensor score = mixture_score(z, knots, tau, weights, placed(constant), c.spec());
      EXPECT_TRUE(score.select(1, 1).isnan().all().item<bool>()) << name << ", component " << component;
      EXPECT_TRUE(score.select(1, 0).isfinite().all().item<bool>()) << name;
    }
  }
}

}  // namespace kaem::ops
