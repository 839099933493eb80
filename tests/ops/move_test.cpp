// The fused Langevin move against its reference implementation.
#include <cmath>
#include <limits>
#include <numbers>

#include "ops/math.h"
#include "support.h"

namespace kaem::ops {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

struct Chains {
  Tensor z, prior, likelihood, noise, temperature;
  Chains to(at::ScalarType type) const {
    return {z.to(type), prior.to(type), likelihood.defined() ? likelihood.to(type) : Tensor(), noise.to(type),
            temperature.to(type)};
  }
};

/// Chains in [-1,1] of 3 temperatures with gradients of a size that throws some of them out of the box many times over.
Chains make_chains(int64_t levels = 3) {
  const std::vector<int64_t> shape = {levels, 4, 2, 5, 7};
  return {as_float_sees(at::rand(shape, wide()) * 2 - 1), as_float_sees(at::randn(shape, wide()) * 30),
          as_float_sees(at::randn(shape, wide()) * 30), as_float_sees(at::randn(shape, wide())),
          as_float_sees(at::linspace(0, 1, levels, wide()))};
}

Tensor move(const Chains& c, double step, double lower = -1, double upper = 1) {
  return langevin_move(c.z, c.prior, c.likelihood, c.noise, c.temperature, step, lower, upper);
}
Tensor plain_move(const Chains& c, double step, double lower = -1, double upper = 1) {
  return reference::langevin_move(c.z, c.prior, c.likelihood, c.noise, c.temperature, step, lower, upper);
}

TEST(LangevinMove, AgreesWithTheReferenceInAndOutOfTheBox) {
  at::manual_seed(11);
  for (const double step : {1e-4, 1e-2, 0.3})
    for (const double bound : {1.0, kInfinity}) {
      const Chains c = make_chains();
      const Tensor want = plain_move(c, step, -bound, bound), got = move(c.to(at::kFloat), step, -bound, bound);
      // Each reflection doubles what float32 lost on the way.
      const double reach = (c.z + step * (c.prior.abs() + c.likelihood.abs())).abs().max().item<double>();
      expect_within(got, want, 1e-6 * (1 + reach), "step " + std::to_string(step));
      EXPECT_LE(got.abs().max().item<double>(), bound);
      if (step == 0.3 && bound == 1) {
        EXPECT_GT(reach, 5) << "no chain is reflected more than once";
      }
    }
}

TEST(LangevinMove, IsWhatItSaysForOneNumber) {
  const auto one = [](double value) { return at::full({1, 1}, value, wide()); };
  const Chains c{one(0.5), one(2), one(-3), one(0.25), at::full({1}, 0.5, wide())};
  const double moved = 0.5 + 0.02 * (2 + 0.5 * -3) + std::sqrt(0.04) * 0.25;
  EXPECT_NEAR(move(c, 0.02).item<double>(), moved, 1e-12);
  EXPECT_NEAR(move(c.to(at::kFloat), 0.02).item<double>(), moved, 1e-6);
  EXPECT_NEAR(move(c, 0.02, 0, 0.52).item<double>(), 2 * 0.52 - moved, 1e-12) << "reflected at the upper end";
  EXPECT_NEAR(move(c.to(at::kFloat), 0.02, 0.58, 3).item<double>(), 2 * 0.58 - moved, 1e-6) << "and at the lower";
}

TEST(LangevinMove, TakesAGradientThatRepeatsAlongTheLastAxis) {
  at::manual_seed(12);
  Chains whole = make_chains().to(at::kFloat), spread = whole;
  spread.likelihood = whole.likelihood.select(-1, 0).unsqueeze(-1).expand_as(whole.z);
  whole.likelihood = spread.likelihood.contiguous();
  EXPECT_TRUE(at::equal(move(whole, 1e-2), move(spread, 1e-2)));
  Chains none = whole;
  none.likelihood = Tensor();
  Chains cold = whole;
  cold.temperature = at::zeros({3});
  EXPECT_TRUE(at::equal(move(none, 1e-2), move(cold, 1e-2)));
}

TEST(LangevinMove, ForgetsAnInfiniteLikelihoodAtTemperatureZero) {
  at::manual_seed(13);
  for (const auto type : {at::kFloat, at::kDouble}) {
    Chains c = make_chains().to(type);
    c.likelihood.select(0, 0).fill_(kInfinity);
    EXPECT_TRUE(move(c, 1e-3).isfinite().all().item<bool>());
    c.temperature = c.temperature + 0.5;
    EXPECT_FALSE(move(c, 1e-3).isfinite().all().item<bool>()) << "but not at others";
  }
}

TEST(LangevinMove, TakesViewsAndNoChains) {
  at::manual_seed(14);
  const Chains c = make_chains().to(at::kFloat);
  Chains views = c;
  for (Tensor* t : {&views.z, &views.prior, &views.likelihood, &views.noise})
    *t = t->transpose(1, 3).contiguous().transpose(1, 3);
  EXPECT_TRUE(at::equal(move(c, 1e-2), move(views, 1e-2)));
  EXPECT_EQ(langevin_move(at::zeros({2, 0, 3}), at::zeros({2, 0, 3}), {}, at::zeros({2, 0, 3}), at::ones({2}), 1, -1, 1)
                .numel(),
            0);
  EXPECT_THROW(langevin_move(c.z, c.prior[0], {}, c.noise, c.temperature, 1, -1, 1), c10::Error);
  EXPECT_THROW(langevin_move(c.z, c.prior, {}, c.noise, at::ones({2}), 1, -1, 1), c10::Error);
}

TEST(Reflect, KeepsWhatIsInsideAndFoldsTheRest) {
  EXPECT_EQ(math::reflect(0.3, 0.0, 1.0), 0.3);
  EXPECT_NEAR(math::reflect(1.3, 0.0, 1.0), 0.7, 1e-15);
  EXPECT_NEAR(math::reflect(-0.2, 0.0, 1.0), 0.2, 1e-15);
  // cos(π/2 (x+1)) is even and of period 4, as folding into [-1,1] is.
  for (double x = -9; x < 9; x += 0.37) {
    const double y = math::reflect(x, -1.0, 1.0);
    EXPECT_LE(std::abs(y), 1);
    EXPECT_NEAR(std::cos(std::numbers::pi / 2 * (y + 1)), std::cos(std::numbers::pi / 2 * (x + 1)), 1e-12) << x;
  }
}

}  // namespace
}  // namespace kaem::ops
