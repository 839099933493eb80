#include "kaem/mcmc/kernel.h"

#include "kaem/core/error.h"
#include "kaem/mcmc/kernels.h"
#include "mcmc/support.h"

namespace kaem::mcmc::test {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// One reflection at a time.
std::pair<double, double> fold_slowly(double z, double lower, double upper) {
  double flips = 1;
  while (z < lower || z > upper) {
    z = z < lower ? 2 * lower - z : 2 * upper - z;
    flips = -flips;
  }
  return {z, flips};
}

TEST(Fold, ReflectsAsOftenAsNeeded) {
  const double lower = -0.7, upper = 1.1;
  const at::Tensor z = torch::linspace(-40, 50, 10'001, torch::kDouble);
  const Folded folded = fold(z, lower, upper);
  for (int64_t i = 0; i < z.numel(); ++i) {
    const auto [value, flips] = fold_slowly(z[i].item<double>(), lower, upper);
    ASSERT_NEAR(folded.z[i].item<double>(), value, 1e-12) << z[i].item<double>();
    ASSERT_EQ(folded.flips[i].item<double>(), flips) << z[i].item<double>();
  }
}

TEST(Fold, KeepsWhatLiesInside) {
  const at::Tensor z = torch::linspace(-0.7, 1.1, 1001, torch::kFloat);
  const Folded folded = fold(z, -0.7F, 1.1F);
  EXPECT_TRUE(torch::equal(folded.z, z));
  EXPECT_TRUE(torch::equal(folded.flips, torch::ones_like(z)));
  EXPECT_EQ(folded.flips.scalar_type(), torch::kFloat);
}

TEST(Fold, DoesNothingEverywhereAndRefusesHalfLines) {
  const at::Tensor z = row({-1e30, 0, 7});
  const Folded folded = fold(z, -kInfinity, kInfinity);
  EXPECT_TRUE(torch::equal(folded.z, z));
  EXPECT_TRUE(torch::equal(folded.flips, torch::ones_like(z)));
  EXPECT_THROW(fold(z, 0, kInfinity), UsageError);
  EXPECT_THROW(fold(z, -kInfinity, 0), UsageError);
  EXPECT_THROW(fold(z, 1, 0), UsageError);
}

TEST(Chains, AreFlattenedAndBack) {
  const at::Tensor z = torch::arange(2 * 3 * 4 * 5 * 6, torch::kDouble).view({2, 3, 4, 5, 6});
  const at::Tensor flat = flatten_chains(z);
  EXPECT_EQ(flat.sizes(), at::IntArrayRef({24, 5, 6}));
  EXPECT_TRUE(torch::equal(unflatten_chains(flat, {2, 3, 4}), z));
  EXPECT_EQ(unflatten_chains(flat.sum({1, 2}), {2, 3, 4}).sizes(), at::IntArrayRef({2, 3, 4}));
}

State numbered(int64_t levels, double first) {
  const at::Tensor chains = first + torch::arange(levels * 2 * 3, torch::kDouble).view({levels, 2, 3});
  const at::Tensor z = chains.unsqueeze(-1).expand({levels, 2, 3, 4}).contiguous();
  return {.z = z, .white = {}, .prior = {{}, -z}, .likelihood = {chains, 2 * z}};
}

TEST(States, AreSlicedJoinedAndSelected) {
  const State state = numbered(5, 0);
  const State joined = join(slice(state, 0, 2), slice(state, 2, 5));
  EXPECT_TRUE(torch::equal(joined.z, state.z));
  EXPECT_TRUE(torch::equal(joined.likelihood.gradient, state.likelihood.gradient));
  EXPECT_FALSE(joined.white.defined());
  EXPECT_FALSE(joined.prior.log_density.defined());

  const State other = numbered(5, 1000);
  at::Tensor take = torch::zeros({5, 2, 3}, torch::kBool);
  take[3][1][2] = true;
  const State mixed = select(take, other, state);
  EXPECT_TRUE(torch::equal(mixed.z[3][1][2], other.z[3][1][2]));
  EXPECT_TRUE(torch::equal(mixed.likelihood.log_density != state.likelihood.log_density, take));
  EXPECT_TRUE(torch::equal(mixed.prior.gradient != state.prior.gradient, take.unsqueeze(-1).expand_as(state.z)));
}

TEST(ChainDraws, AreDifferentEachTimeAndTheSameAgain) {
  Draws draws = make_draws(Rng(1), Stream::kTest, 7), again = make_draws(Rng(1), Stream::kTest, 7);
  const at::Tensor a = draws.normal({5}, torch::kDouble), b = draws.normal({5}, torch::kDouble);
  EXPECT_FALSE((a == b).any().item<bool>());
  EXPECT_TRUE(torch::equal(a, again.normal({5}, torch::kDouble)));
  EXPECT_TRUE(torch::equal(b, again.normal({5}, torch::kDouble)));
  const at::Tensor u = draws.uniform({3, 7}, torch::kDouble);
  EXPECT_TRUE((u > 0).logical_and(u < 1).all().item<bool>());
}

TEST(MakeKernel, KnowsItsTableAndItsNeeds) {
  const Target target = exponential_case(row({1.0})).target;
  EXPECT_THROW(make_kernel(target, {.name = "no_such_kernel"}), ConfigError);
  Target without = target;
  without.whitening = {};
  Target half = target;
  half.upper = kInfinity;
  for (const auto& row : kernels()) {
    const std::string name(row.name);
    SCOPED_TRACE(name);
    if (row.white) {
      EXPECT_THROW(make_kernel(without, {.name = name}), UsageError);
      EXPECT_THROW(make_kernel(target, {.name = name, .preconditioner = torch::ones({1})}), UsageError);
    } else {
      EXPECT_NO_THROW(make_kernel(without, {.name = name, .preconditioner = torch::ones({1})}));
      EXPECT_THROW(make_kernel(half, {.name = name}), UsageError);
    }
  }
}

// The gradient is that of the density in z alone: what else it depends on gets none.
TEST(ByAutograd, GivesValueAndGradient) {
  const at::Tensor scale = torch::full({}, 3.0, torch::kDouble).requires_grad_(true);
  const LogDensity density = by_autograd([&](const at::Tensor& z) { return -(scale * z.square()).sum(1); });
  const torch::NoGradGuard no_grad;  // as kernels call it
  const at::Tensor z = Rng(1).normal(Stream::kTest, 3, {2, 3, 4, 5}, torch::kDouble);
  for (const Want want : {Want::kBoth, Want::kGradient, Want::kValue}) {
    const Value value = density(z, want);
    EXPECT_TRUE(torch::allclose(value.log_density, -3 * z.square().sum(3)));
    EXPECT_EQ(value.gradient.defined(), want != Want::kValue);
    if (want != Want::kValue) {
      EXPECT_TRUE(torch::allclose(value.gradient, -6 * z));
    }
    EXPECT_FALSE(value.log_density.requires_grad());
  }
  EXPECT_FALSE(scale.grad().defined());
}

/// A likelihood that is infinite left of 0.
Value cliff(const at::Tensor& z, Want) {
  return {torch::where(z.sum(-1) < 0, -kInfinity, 0.0), torch::where(z < 0, kInfinity, 0.0)};
}

// t = 0 is the prior alone, even where the likelihood is not finite.
TEST(Kernels, AtTemperatureZeroDoNotSeeTheLikelihood) {
  for (const auto& name : kernel_names()) {
    SCOPED_TRACE(name);
    Target target = truncated_gaussian(row({0.0})).target, prior = target;
    target.likelihood = cliff;
    prior.likelihood = {};
    const at::Tensor start = uniforms(7, {1, 1, 200, kDim}) - 0.6;
    const auto run_on = [&](const Target& t) {
      const Kernel kernel = make_kernel(t, {.name = name, .step_size = 0.1, .delta = 0.1});
      Draws draws = make_draws(Rng(1), Stream::kTest, 8);
      return run(kernel, kernel.init(start), 5, draws).z;
    };
    EXPECT_TRUE(torch::equal(run_on(target), run_on(prior)));
  }
}

// float32 moves in one pass over the chains, float64 tensor by tensor: the same moves of the same numbers, with the
// likelihood's gradient whole or one number for all of the last axis, on a box, beyond a box's width, and everywhere.
TEST(Ula, MovesAlikeInBothPrecisions) {
  constexpr int64_t kT = 3, kB = 2, kN = 4, kQ = 5, kP = 3;
  const at::Tensor temperature = torch::tensor({0.0, 0.4, 1.0}, torch::kDouble);
  for (const double width : {0.02, 2.0, kInfinity})
    for (const bool spread : {false, true})
      for (const double eta : {1e-4, 0.3}) {
        SCOPED_TRACE(testing::Message() << "width " << width << ", eta " << eta << ", spread " << spread);
        const auto target_in = [&](at::ScalarType type) {
          Target target;
          target.prior = [](const at::Tensor& z, Want) -> Value { return {{}, -3 * z}; };
          target.likelihood = [=](const at::Tensor& z, Want) -> Value {
            const at::Tensor sum = z.sum(-1, true), gradient = (2 * sum).cos();
            return {sum.flatten(3).sum(-1), spread ? gradient.expand_as(z) : gradient * torch::ones_like(z)};
          };
          target.temperature = temperature.to(type);
          target.lower = -width / 2, target.upper = width / 2;
          return target;
        };
        const at::Tensor start = std::min(width, 2.0) * (uniforms(11, {kT, kB, kN, kQ, kP}) - 0.5);
        const at::Tensor noise = Rng(2).normal(Stream::kTest, 12, start.sizes(), torch::kDouble);
        const auto moved = [&](at::ScalarType type) {
          const Kernel kernel = ula(target_in(type), {.step_size = eta});
          Draws draws;
          draws.normal = [&](at::IntArrayRef, at::TensorOptions options) { return noise.to(options); };
          return kernel.step(kernel.init(start.to(type)), draws).first.z.to(torch::kDouble);
        };
        const at::Tensor narrow = moved(torch::kFloat), wide = moved(torch::kDouble);
        EXPECT_LT((narrow - wide).abs().max().item<double>(), 3e-6);
        EXPECT_GT((wide - start).abs().max().item<double>(), 1e-4);
      }
}

// The last step ends where any other would, with the likelihood's value there, and asks for no gradient of it.
TEST(Kernels, LastStepIsAStepWithoutGradients) {
  const Case c = truncated_gaussian(row({0.3, 1}));
  for (const auto& name : kernel_names()) {
    SCOPED_TRACE(name);
    int64_t gradients = 0;
    Target target = c.target;
    target.likelihood = [&](const at::Tensor& z, Want want) {
      gradients += static_cast<int64_t>(want != Want::kValue);
      return c.target.likelihood(z, want);
    };
    const Kernel kernel = make_kernel(target, {.name = name, .step_size = 0.1, .delta = 0.1});
    const State start = kernel.init(0.4 * uniforms(13, {2, 1, 50, kDim}));
    const auto end = [&](bool last) {
      Draws draws = make_draws(Rng(1), Stream::kTest, 14);
      gradients = 0;
      const State state = kernel.move(start, draws, last).first;
      EXPECT_EQ(gradients == 0, last && kernel.last_step != nullptr);
      return state;
    };
    const State middle = end(false), last = end(true);
    EXPECT_FALSE(torch::equal(last.z, start.z));
    EXPECT_TRUE(torch::equal(last.z, middle.z));
    EXPECT_TRUE(torch::equal(last.likelihood.log_density, middle.likelihood.log_density));
  }
}

// A proposal whose density is 0 or not a number is refused, and the chain goes on.
TEST(Kernels, RefuseProposalsWithoutDensity) {
  for (const auto& name : exact_kernel_names()) {
    SCOPED_TRACE(name);
    Target target = truncated_gaussian(row({1.0})).target;
    target.likelihood = [](const at::Tensor& z, Want) -> Value {
      return {torch::where(z.sum(-1) < 0, std::nan(""), 0.0), torch::where(z.sum(-1, true) < 0, kInfinity, 0 * z)};
    };
    const Kernel kernel = make_kernel(target, {.name = name, .step_size = 0.1, .delta = 0.1});
    Draws draws = make_draws(Rng(1), Stream::kTest, 9);
    const State start = kernel.init(0.4 * uniforms(8, {1, 1, 500, kDim}) + 0.01), end = run(kernel, start, 10, draws);
    EXPECT_TRUE((end.z.sum(-1) >= 0).all().item<bool>());
    EXPECT_TRUE(((end.z - start.z).abs().sum(-1) > 0).to(torch::kDouble).mean().item<double>() > 0.95);
  }
}

}  // namespace
}  // namespace kaem::mcmc::test
