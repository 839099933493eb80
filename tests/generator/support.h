#pragma once

#include <gtest/gtest.h>
#include <torch/types.h>

#include <functional>

#include "kaem/core/rng.h"

namespace kaem::test {

inline at::Tensor normal(at::IntArrayRef shape, int64_t step) {
  return Rng(3).normal(Stream::kTest, step, shape, at::kDouble);
}
inline at::Tensor uniform(at::IntArrayRef shape, int64_t step) {
  return Rng(3).uniform(Stream::kTest, step, shape, at::kDouble);
}

inline double largest(const at::Tensor& t) { return t.abs().max().item<double>(); }

/// Derivative of f at x along `direction`, by central differences of the fourth order.
inline double slope(const std::function<double(const at::Tensor&)>& f, const at::Tensor& x, const at::Tensor& direction,
                    double h = 1e-4) {
  const auto at_step = [&](double k) { return f(x + k * h * direction); };
  return (8 * (at_step(1) - at_step(-1)) - (at_step(2) - at_step(-2))) / (12 * h);
}

/// Checks a gradient at x against differences along five random directions.
inline void expect_gradient(const std::function<double(const at::Tensor&)>& f, const at::Tensor& x,
                            const at::Tensor& gradient, double tolerance = 1e-8) {
  for (int64_t k = 0; k < 5; ++k) {
    const at::Tensor direction = normal(x.sizes(), 100 + k);
    const double expected = slope(f, x, direction), got = (gradient * direction).sum().item<double>();
    EXPECT_NEAR(got, expected, tolerance * (1 + std::abs(expected))) << "direction " << k;
  }
}

}  // namespace kaem::test
