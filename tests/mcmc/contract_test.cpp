// What every kernel promises: the table of kernels times the targets.
#include <iostream>

#include "kaem/core/error.h"
#include "kaem/mcmc/kernels.h"
#include "mcmc/support.h"

namespace kaem::mcmc::test {
namespace {

KernelOptions options_for(const std::string& kernel, const Case& c) {
  KernelOptions options{.name = kernel, .step_size = c.step_size, .delta = c.step_size};
  if (kernel == "ula" && c.name == "correlated") options.step_size = 0.005;
  return options;
}

class KernelOfName : public ::testing::TestWithParam<std::string> {};

// From an overdispersed start, the last states of independent chains follow the target (ULA on Gaussians: its own law,
// whose variance is up to a third larger; on boxes see ReflectedLangevin). Two temperatures at once.
TEST_P(KernelOfName, ConvergesToItsStationaryLaw) {
  // autoMALA evaluates as often as its slowest chain asks for.
  const bool adaptive = find_kernel(GetParam()).adapts;
  const int64_t chains = adaptive ? 2'000 : 10'000;
  for (const Case& c : all_cases(row({0.4, 1.0}))) {
    SCOPED_TRACE(c.name);
    const bool unadjusted = !find_kernel(GetParam()).exact;
    if (unadjusted && !c.ula_distribution) continue;
    const KernelOptions options = options_for(GetParam(), c);
    const Kernel kernel = make_kernel(c.target, options);
    const at::Tensor u = uniforms(0, {2, 1, chains, kDim});
    // On a box: uniform.
    const at::Tensor start =
        std::isfinite(c.target.lower) ? c.target.lower + (c.target.upper - c.target.lower) * u : 1.5 * c.quantile(u);
    Draws draws = make_draws(Rng(1), Stream::kTest, 1);
    const State state = run(kernel, kernel.init(start), adaptive ? std::min<int64_t>(c.steps, 100) : c.steps, draws);
    expect_uniform(unadjusted ? c.ula_distribution(state.z, options.step_size) : c.distribution(state.z));
  }
}

void expect_close(const at::Tensor& a, const at::Tensor& b) {
  ASSERT_EQ(a.defined(), b.defined());
  if (!a.defined()) return;
  EXPECT_TRUE(torch::allclose(a, b, 1e-9, 1e-9)) << (a - b).abs().max().item<double>();
}

void expect_close(const State& a, const State& b) {
  expect_close(a.z, b.z);
  expect_close(a.white, b.white);
  expect_close(a.prior.log_density, b.prior.log_density);
  expect_close(a.prior.gradient, b.prior.gradient);
  expect_close(a.likelihood.log_density, b.likelihood.log_density);
  expect_close(a.likelihood.gradient, b.likelihood.gradient);
}

// Cached values are those of the position; positions stay in the box; acceptance is a probability.
TEST_P(KernelOfName, CachesWhatBelongsToThePosition) {
  for (const Case& c : all_cases(row({0.0, 0.4, 1.0}))) {
    SCOPED_TRACE(c.name);
    KernelOptions options = options_for(GetParam(), c);
    options.step_size = c.large_step;
    const Kernel kernel = make_kernel(c.target, options);
    Draws draws = make_draws(Rng(1), Stream::kTest, 2);
    Info info;
    const State state = run(kernel, kernel.init(c.quantile(uniforms(1, {3, 2, 50, kDim}))), 5, draws, &info);
    expect_close(kernel.init(state.z), state);
    EXPECT_EQ(info.acceptance.sizes(), at::IntArrayRef({3, 2, 50}));
    EXPECT_EQ(info.step_size.sizes(), at::IntArrayRef({3, 2, 50}));
    EXPECT_TRUE((info.acceptance >= 0).logical_and(info.acceptance <= 1).all().item<bool>());
    EXPECT_TRUE((state.z >= c.target.lower).logical_and(state.z <= c.target.upper).all().item<bool>());
  }
}

TEST_P(KernelOfName, KeepsThePrecisionOfItsStart) {
  for (const Case& c : all_cases(row({0.4, 1.0}))) {
    const Kernel kernel = make_kernel(c.target, options_for(GetParam(), c));
    Draws draws = make_draws(Rng(1), Stream::kTest, 3);
    const State state = run(kernel, kernel.init(torch::zeros({2, 1, 4, kDim}, torch::kFloat)), 3, draws);
    EXPECT_EQ(state.z.scalar_type(), torch::kFloat);
    EXPECT_EQ(state.likelihood.gradient.scalar_type(), torch::kFloat);
    EXPECT_EQ(state.likelihood.log_density.scalar_type(), torch::kFloat);
    EXPECT_TRUE(state.z.isfinite().all().item<bool>());
  }
}

/// Draws with axes 0 and 1 (temperatures, data) permuted.
Draws permuted(Draws draws, const at::Tensor& of_t, const at::Tensor& of_b) {
  const auto permute = [=](const at::Tensor& x) { return x.index_select(0, of_t).index_select(1, of_b); };
  return {[=](at::IntArrayRef shape, at::TensorOptions options) { return permute(draws.normal(shape, options)); },
          [=](at::IntArrayRef shape, at::TensorOptions options) { return permute(draws.uniform(shape, options)); }};
}

/// A target whose likelihood depends on the datum [B].
Target of_data(const Case& c, const at::Tensor& data, const at::Tensor& temperature) {
  Target target = c.target;
  target.temperature = temperature;
  target.likelihood = [data](const at::Tensor& z, Want) -> Value {
    const at::Tensor distance = z - data.view({1, -1, 1, 1});
    return {-4 * distance.square().sum(-1), -8 * distance};
  };
  return target;
}

// Chains of one temperature and datum do not see the others: permuted inputs and draws give the permuted states.
TEST_P(KernelOfName, IsTheSameForEveryOrderOfTemperaturesAndData) {
  const at::Tensor temperature = row({0, 0.1, 0.5, 1}), data = row({-0.7, 0, 0.9});
  const at::Tensor of_t = torch::tensor({2, 0, 3, 1}), of_b = torch::tensor({1, 2, 0});
  for (const Case& c : all_cases(temperature)) {
    SCOPED_TRACE(c.name);
    const KernelOptions options = options_for(GetParam(), c);
    const at::Tensor start = c.quantile(uniforms(2, {4, 3, 20, kDim}));
    const auto run_with = [&](const Target& target, const at::Tensor& z, Draws draws) {
      const Kernel kernel = make_kernel(target, options);
      return run(kernel, kernel.init(z), 6, draws).z;
    };
    const at::Tensor plain = run_with(of_data(c, data, temperature), start, make_draws(Rng(1), Stream::kTest, 4));
    const at::Tensor other = run_with(of_data(c, data.index_select(0, of_b), temperature.index_select(0, of_t)),
                                      start.index_select(0, of_t).index_select(1, of_b),
                                      permuted(make_draws(Rng(1), Stream::kTest, 4), of_t, of_b));
    EXPECT_FALSE(torch::allclose(plain, start));
    EXPECT_TRUE(torch::allclose(plain.index_select(0, of_t).index_select(1, of_b), other, 1e-12, 1e-12));
  }
}

INSTANTIATE_TEST_SUITE_P(AllKernels, KernelOfName, ::testing::ValuesIn(kernel_names()),
                         [](const auto& info) { return info.param; });

// Reflection at the bounds biases ULA by O(η). Distances at η, η/2 and η/4 on exp(4z): each half about half the one
// before. Started at the target's draws; 60,000 draws, so that a distance's noise is about .003.
TEST(ReflectedLangevin, BiasHalvesWithTheStepSize) {
  const Case c = exponential_case(row({1.0}));
  std::vector<double> distances;
  for (const double eta : {0.02, 0.01, 0.005}) {
    const Kernel kernel = make_kernel(c.target, {.name = "ula", .step_size = eta});
    Draws draws = make_draws(Rng(1), Stream::kTest, 5);
    const State start = kernel.init(c.quantile(uniforms(3, {1, 1, 20'000, kDim})));
    distances.push_back(ks_distance(c.distribution(run(kernel, start, static_cast<int64_t>(1.0 / eta), draws).z)));
    std::cout << "eta " << eta << ": KS distance " << distances.back() << "\n";
  }
  EXPECT_LT(distances[2], 0.05);
  for (int i = 0; i < 2; ++i) {
    EXPECT_GT(distances[i] / distances[i + 1], 1.5);
    EXPECT_LT(distances[i] / distances[i + 1], 2.7);
  }
}

}  // namespace
}  // namespace kaem::mcmc::test
