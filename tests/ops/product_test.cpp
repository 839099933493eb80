#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/types.h>

#include "kaem/core/rng.h"
#include "kaem/ops/ops.h"

namespace kaem::ops {
namespace {

at::Tensor normals(int64_t step, at::IntArrayRef shape, at::ScalarType type = torch::kFloat) {
  return Rng(21).normal(Stream::kTest, step, shape, type);
}

double distance(const at::Tensor& a, const at::Tensor& b) {
  return ((a.to(torch::kDouble) - b.to(torch::kDouble)).abs().max() / b.abs().max().to(torch::kDouble)).item<double>();
}

/// Views of the same matrix that lie in memory in other ways.
std::vector<at::Tensor> layouts(const at::Tensor& m) {
  const at::Tensor wide = torch::zeros({m.size(0) + 2, m.size(1) + 3}, m.options());
  wide.slice(0, 1, 1 + m.size(0)).slice(1, 2, 2 + m.size(1)).copy_(m);
  return {m, m.t().contiguous().t(), wide.slice(0, 1, 1 + m.size(0)).slice(1, 2, 2 + m.size(1))};
}

TEST(Product, EqualsTheDoublePrecisionProductWhateverTheLayout) {
  const std::vector<std::vector<int64_t>> sizes = {
      {1, 1, 1}, {3, 5, 2}, {100, 1782, 162}, {64, 257, 33}, {1, 4000, 70}};
  for (const auto& s : sizes) {
    const at::Tensor a = normals(0, {s[0], s[1]}), b = normals(1, {s[1], s[2]});
    const at::Tensor expected = a.to(torch::kDouble).mm(b.to(torch::kDouble));
    for (const auto& left : layouts(a))
      for (const auto& right : layouts(b)) EXPECT_LT(distance(product(left, right), expected), 2e-6) << s;
  }
  const at::Tensor row = normals(2, {1, 300}), b = normals(3, {300, 500});
  EXPECT_LT(
      distance(product(row.expand({40, 300}), b), row.expand({40, 300}).to(torch::kDouble).mm(b.to(torch::kDouble))),
      2e-6);
}

TEST(Product, HasItsGradients) {
  at::Tensor a = normals(4, {60, 200}).requires_grad_(), b = normals(5, {200, 50}).requires_grad_();
  const at::Tensor seed = normals(6, {60, 50});
  product(a, b).backward(seed);
  EXPECT_LT(distance(a.grad(), seed.mm(b.detach().t())), 2e-6);
  EXPECT_LT(distance(b.grad(), a.detach().t().mm(seed)), 2e-6);
  const at::Tensor fixed = b.detach();
  const auto once = torch::autograd::grad({product(a, fixed).square().sum()}, {a}, {}, true, true)[0];
  const auto twice = torch::autograd::grad({once.sum()}, {a})[0];
  EXPECT_LT(distance(twice, (2 * fixed.mm(fixed.t())).sum(0, true).expand({60, 200})), 1e-5);
}

TEST(Product, RefusesWhatDoesNotFit) {
  EXPECT_THROW(product(torch::ones({2, 3}), torch::ones({2, 3})), c10::Error);
  EXPECT_THROW(product(torch::ones({2, 3, 4}), torch::ones({4, 3})), c10::Error);
  EXPECT_EQ(product(torch::ones({0, 3}), torch::ones({3, 2})).sizes(), at::IntArrayRef({0, 2}));
  EXPECT_TRUE(product_library() == "MKL" || product_library() == "oneDNN");
}

}  // namespace
}  // namespace kaem::ops
