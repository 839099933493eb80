#pragma once

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "kaem/ops/ops.h"

namespace kaem::ops {

using at::Tensor;

inline const std::vector<std::pair<BasisKind, const char*>>& kinds() {
  static const std::vector<std::pair<BasisKind, const char*>> all = {
      {BasisKind::kBSpline, "BSpline"},       {BasisKind::kRbf, "Rbf"},
      {BasisKind::kRswaf, "Rswaf"},           {BasisKind::kFft, "Fft"},
      {BasisKind::kCheby, "Cheby"},           {BasisKind::kDog, "Dog"},
      {BasisKind::kMexicanHat, "MexicanHat"}, {BasisKind::kMorlet, "Morlet"},
      {BasisKind::kShannon, "Shannon"}};
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

/// What float32 sees of a float64 tensor: the twin must be given the same numbers.
inline Tensor as_float_sees(const Tensor& t) { return t.to(at::kFloat).to(at::kDouble); }

inline Tensor make_knots(const Case& c) {
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
    x[1] = knots.select(1, 0);
    x[2] = knots.select(1, -1);
    x[3] = knots.select(1, c.intervals / 2);
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

}  // namespace kaem::ops
