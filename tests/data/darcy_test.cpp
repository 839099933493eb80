#include "kaem/data/darcy.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "kaem/core/error.h"

namespace kaem {
namespace {

constexpr double kPi = std::numbers::pi;

/// x and y at the centres of n×n cells, as [n,1] (rows) and [1,n] (columns).
std::pair<at::Tensor, at::Tensor> centres(int64_t n) {
  const at::Tensor x = (at::arange(n, at::kDouble) + 0.5) / static_cast<double>(n);
  return {x.unsqueeze(1), x.unsqueeze(0)};
}

double relative(const at::Tensor& u, const at::Tensor& exact) {
  return ((u - exact).norm() / exact.norm()).item<double>();
}

/// Largest relative L2 error of the fields.
double worst(const at::Tensor& u, const at::Tensor& reference) {
  return ((u - reference).flatten(1).norm(2, 1) / reference.flatten(1).norm(2, 1)).max().item<double>();
}

TEST(DarcySolver, ConstantCoefficientMatchesTheSeries) {
  // -Δu = 1: u = Σ_{odd k,l} 16 sin(kπx) sin(lπy) / (π⁴ k l (k²+l²)).
  const int64_t n = 96;
  const auto [x, y] = centres(n);
  at::Tensor exact = at::zeros({n, n}, at::kDouble);
  for (int k = 1; k < 200; k += 2)
    for (int l = 1; l < 200; l += 2)
      exact += 16 / (std::pow(kPi, 4) * k * l * (k * k + l * l)) * at::sin(k * kPi * x) * at::sin(l * kPi * y);
  const at::Tensor u = darcy::solve(at::full({1, n, n}, 3.0, at::kDouble))[0] * 3;
  EXPECT_LE(relative(u, exact), 1e-3);
  EXPECT_LE(exact.max().item<double>(), 0.0737);  // the known greatest value 0.07367
  EXPECT_GE(exact.max().item<double>(), 0.0735);
}

TEST(DarcySolver, SecondOrderOnASmoothManufacturedSolution) {
  std::vector<double> errors;
  for (const int64_t n : {24, 48, 96}) {
    const auto [x, y] = centres(n);
    const at::Tensor sx = at::sin(kPi * x), cx = at::cos(kPi * x), sy = at::sin(2 * kPi * y), cy = at::cos(2 * kPi * y);
    const at::Tensor u = sx * sy;
    const at::Tensor a = 2 + at::sin(3 * x + y), slope = at::cos(3 * x + y);
    // -∇·(a∇u) = -a Δu - a_x u_x - a_y u_y
    const at::Tensor f = a * 5 * kPi * kPi * u - 3 * slope * kPi * cx * sy - slope * 2 * kPi * sx * cy;
    errors.push_back(relative(darcy::solve(a.unsqueeze(0), f.unsqueeze(0))[0], u));
  }
  EXPECT_LE(errors[2], 1e-3);
  EXPECT_GE(std::log2(errors[0] / errors[1]), 1.9);
  EXPECT_GE(std::log2(errors[1] / errors[2]), 1.9);
}

TEST(DarcySolver, SecondOrderAcrossAJumpOfTheCoefficient) {
  // v = x(x-½)(x-1), u = v sin(πy)/a, a = 3 left and 12 right of ½: the flux a·u_x = v' sin(πy) does not jump.
  std::vector<double> errors;
  for (const int64_t n : {32, 96}) {
    const auto [x, y] = centres(n);
    const at::Tensor a = at::where(x < 0.5, 3.0, 12.0) * at::ones_like(y);
    const at::Tensor v = x * (x - 0.5) * (x - 1);
    const at::Tensor f = (kPi * kPi * v - (6 * x - 3)) * at::sin(kPi * y);
    errors.push_back(relative(darcy::solve(a.unsqueeze(0), f.unsqueeze(0))[0], v * at::sin(kPi * y) / a));
  }
  EXPECT_LE(errors[1], 1e-3);
  EXPECT_GE(std::log(errors[0] / errors[1]) / std::log(3.0), 1.9);
}

TEST(DarcySolver, FieldsAgreeWithFinerGrids) {
  const Rng rng(4);
  constexpr int64_t kGrid = 96, kCount = 2;
  const at::Tensor a = darcy::permeability(kCount, kGrid, rng), u = darcy::solve(a);
  // The same piecewise constant a on a grid 4 times finer; the centre of a cell is there the corner of four.
  const at::Tensor fine = darcy::solve(a.repeat_interleave(4, 1).repeat_interleave(4, 2));
  const at::Tensor inner = fine.view({kCount, kGrid, 4, kGrid, 4}).narrow(2, 1, 2).narrow(4, 1, 2).mean({2, 4});
  EXPECT_LE(worst(u, inner), 0.006);
  // The same Gaussian field sampled 3 times finer, so that interfaces move too.
  const at::Tensor finer =
      darcy::solve(darcy::permeability(kCount, 3 * kGrid, rng)).slice(1, 1, 3 * kGrid, 3).slice(2, 1, 3 * kGrid, 3);
  EXPECT_LE(worst(u, finer), 0.01);
  EXPECT_GT(worst(u, finer), 1e-5);  // the comparison compares different things
}

TEST(DarcySolver, KeepsSymmetryAndSign) {
  const at::Tensor a = darcy::permeability(3, 40, Rng(9));
  const at::Tensor u = darcy::solve(a);
  EXPECT_GT(u.min().item<double>(), 0);  // the maximum principle
  EXPECT_LE(worst(darcy::solve(a.transpose(1, 2)).transpose(1, 2), u), 1e-7);
  EXPECT_LE(worst(darcy::solve(a * 2) * 2, u), 1e-7);
}

TEST(DarcySolver, BadFieldsAreRefused) {
  EXPECT_THROW(darcy::solve(at::zeros({1, 4, 4})), c10::ValueError);
  EXPECT_THROW(darcy::solve(at::ones({1, 4, 5})), c10::ValueError);
  EXPECT_THROW(darcy::solve(at::full({1, 4, 4}, std::nan(""))), c10::ValueError);
  EXPECT_THROW(darcy::solve(at::ones({1, 4, 4}), at::ones({1, 4, 3})), c10::ValueError);
  EXPECT_EQ(darcy::solve(at::ones({1, 1, 1}))[0][0][0].item<double>(), 0.125);  // one cell: 8u = 1
}

TEST(DarcyFields, DoNotDependOnCountThreadsOrGrid) {
  const Rng rng(2);
  const at::Tensor all = darcy::permeability(7, 48, rng), u = darcy::solve(all);
  EXPECT_TRUE(at::equal(darcy::permeability(3, 48, rng, 2), all.narrow(0, 2, 3)));
  EXPECT_TRUE(at::equal(darcy::solve(all.narrow(0, 4, 1)), u.narrow(0, 4, 1)));
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  EXPECT_TRUE(at::equal(darcy::permeability(7, 48, rng), all));
  EXPECT_TRUE(at::equal(darcy::solve(all), u));
  at::set_num_threads(threads);
  // The same function at another grid: the centres of 16 cells are among those of 48.
  const at::Tensor coarse = darcy::gaussian_field(2, 16, rng), fine = darcy::gaussian_field(2, 48, rng);
  EXPECT_TRUE(at::allclose(fine.slice(1, 1, 48, 3).slice(2, 1, 48, 3), coarse, 0, 1e-12));
  EXPECT_FALSE(at::equal(darcy::permeability(1, 48, Rng(3)), all.narrow(0, 0, 1)));
}

TEST(DarcyFields, HalfOfTheValuesAreTwelve) {
  constexpr int64_t kCount = 400;
  const at::Tensor a = darcy::permeability(kCount, 32, Rng(21));
  EXPECT_TRUE(a.eq(12).logical_or(a.eq(3)).all().item<bool>());
  const at::Tensor share = a.eq(12).to(at::kDouble).mean({1, 2});
  // The fields are symmetric about 0. Mean of 400 shares against 6 of its standard errors: false alarms 2e-9.
  const double deviation = share.std().item<double>();
  EXPECT_NEAR(share.mean().item<double>(), 0.5, 6 * deviation / std::sqrt(static_cast<double>(kCount)));
  // A free mean would spread the shares by 0.32 (they would often be 0 or 1); without it the spread is 0.057.
  EXPECT_NEAR(deviation, 0.057, 0.015);
}

TEST(DarcyFields, ModesHaveTheVariancesOfTheCovariance) {
  constexpr int64_t kCount = 500, kGrid = 96, kLow = 6;
  const at::Tensor fields = darcy::gaussian_field(kCount, kGrid, Rng(33));
  const at::Tensor k = at::arange(kLow, at::kDouble).unsqueeze(1);
  at::Tensor basis = at::cos(k * kPi * std::get<1>(centres(kGrid))) * std::sqrt(2.0);  // [kLow, kGrid]
  basis[0].fill_(1);
  const at::Tensor c = at::matmul(at::matmul(basis, fields), basis.t()) / static_cast<double>(kGrid * kGrid);
  const at::Tensor eigenvalue = (kPi * kPi * (k * k + k.t() * k.t()) + 9).pow(-2);
  const at::Tensor ratio = c.pow(2).mean(0) / eigenvalue;  // χ² of 500 degrees of freedom over 500 each
  EXPECT_LE(ratio[0][0].item<double>(), 1e-20);            // no mean
  // 35 tests; a χ²_500/500 leaves 1 ± 0.45 with probability below 1e-10 (7 standard deviations of 0.063, the upper tail
  // being heavier than the normal one): false alarms below 1e-8.
  for (int64_t i = 0; i < kLow; ++i)
    for (int64_t j = 0; j < kLow; ++j) {
      if (i + j == 0) continue;
      EXPECT_NEAR(ratio[i][j].item<double>(), 1, 0.45) << i << "," << j;
    }
  // Pooled: 17,500 degrees of freedom, standard deviation 0.0107; 6 of them: false alarms 2e-9.
  EXPECT_NEAR((ratio.sum() / (kLow * kLow - 1)).item<double>(), 1, 0.065);
  // Two different modes are independent: the sum of 500 products, 6 standard deviations.
  const at::Tensor product = (c.select(1, 0).select(1, 1) * c.select(1, 1).select(1, 0)).mean() / eigenvalue[0][1];
  EXPECT_LE(std::abs(product.item<double>()), 6 / std::sqrt(static_cast<double>(kCount)));
}

}  // namespace
}  // namespace kaem
