// Exactness of Metropolis kernels: chains started from exact draws stay exact, at step sizes that are often rejected.
#include <iostream>

#include "kaem/mcmc/kernels.h"
#include "mcmc/support.h"

namespace kaem::mcmc::test {
namespace {

struct Setting {
  std::string kernel;
  bool preconditioned;
};

void PrintTo(const Setting& setting, std::ostream* out) {  // NOLINT(readability-identifier-naming): Google Test's name
  *out << setting.kernel << (setting.preconditioned ? ", preconditioned" : "");
}

class ExactKernel : public ::testing::TestWithParam<Setting> {};

constexpr int64_t kChains = 20'000;

/// Runs from exact draws and tests them; the mean acceptance of the last step at t = 1.
double mean_acceptance(const Case& c, const KernelOptions& options, int64_t steps) {
  const Kernel kernel = make_kernel(c.target, options);
  Draws draws = make_draws(Rng(2), Stream::kTest, 1);
  Info info;
  const int64_t levels = c.target.temperature.size(0);
  const State state =
      run(kernel, kernel.init(c.quantile(uniforms(4, {levels, 1, kChains, kDim}))), steps, draws, &info);
  expect_uniform(c.distribution(state.z));
  return info.acceptance[levels - 1].mean().item<double>();
}

std::vector<Setting> settings() {
  std::vector<Setting> all;
  for (const auto& row : kernels()) {
    if (!row.exact) continue;
    all.push_back({std::string(row.name), false});
    if (!row.white) all.push_back({std::string(row.name), true});
  }
  return all;
}

TEST_P(ExactKernel, KeepsExactDrawsExact) {
  for (const Case& c : all_cases(row({0.4, 1.0}))) {
    SCOPED_TRACE(c.name);
    // Steps that are often rejected: the case's own, or for kernels of another stride twice or half of it.
    double acceptance = 0;
    for (const double factor : {1.0, 2.0, 0.5}) {
      KernelOptions options{
          .name = GetParam().kernel, .step_size = factor * c.large_step, .delta = factor * c.large_delta};
      if (GetParam().preconditioned) options.preconditioner = c.preconditioner;
      acceptance = mean_acceptance(c, options, 3);
      std::cout << GetParam().kernel << " " << c.name << ": acceptance " << acceptance << "\n";
      if (acceptance > 0.1 && acceptance < 0.85) break;
    }
    EXPECT_LT(acceptance, 0.85);
    EXPECT_GT(acceptance, 0.1);
  }
}

INSTANTIATE_TEST_SUITE_P(Kernels, ExactKernel, ::testing::ValuesIn(settings()), [](const auto& info) {
  return info.param.kernel + (info.param.preconditioned ? "_preconditioned" : "");
});

// A search that ends at its limits must be as exact: few changes allowed, or bounds of η next to its start.
TEST(AutoMala, IsExactAtTheLimitsOfItsSearch) {
  for (const Case& c : all_cases(row({1.0}))) {
    SCOPED_TRACE(c.name);
    for (const double start : {1e-2 * c.step_size, 20 * c.large_step}) {
      mean_acceptance(c, {.name = "automala", .step_size = start, .step_size_max = 50, .most_changes = 2}, 2);
      mean_acceptance(c,
                      {.name = "automala",
                       .step_size = start,
                       .step_size_min = 0.8 * c.step_size,
                       .step_size_max = 1.5 * c.large_step},
                      2);
    }
  }
}

// Whatever the start, the step size found is of the size that the target asks for.
TEST(AutoMala, FindsTheStepSize) {
  const Case c = all_cases(row({1.0}))[0];
  for (const double start : {1e-5, 0.3, 1e2}) {
    const Kernel kernel =
        make_kernel(c.target, {.name = "automala", .step_size = start, .step_size_max = 1e3, .most_changes = 40});
    Draws draws = make_draws(Rng(2), Stream::kTest, 2);
    Info info;
    run(kernel, kernel.init(c.quantile(uniforms(5, {1, 1, 2000, kDim}))), 3, draws, &info);
    const double median = info.step_size.median().item<double>();
    EXPECT_GT(median, 0.1) << start;
    EXPECT_LT(median, 5) << start;
    EXPECT_GT(info.acceptance.mean().item<double>(), 0.3) << start;
  }
}

TEST(AutoMala, KeepsTheStepSizeWithinItsBounds) {
  const Case c = all_cases(row({1.0}))[1];
  const Kernel kernel = make_kernel(
      c.target,
      {.name = "automala", .step_size = 1e-3, .step_size_min = 1e-3 / 4, .step_size_max = 4e-3, .change_rate = 2});
  Draws draws = make_draws(Rng(2), Stream::kTest, 3);
  Info info;
  run(kernel, kernel.init(c.quantile(uniforms(6, {1, 1, 2000, kDim}))), 2, draws, &info);
  EXPECT_GE(info.step_size.min().item<double>(), 1e-3 / 4 * (1 - 1e-12));
  EXPECT_LE(info.step_size.max().item<double>(), 4e-3 * (1 + 1e-12));
  EXPECT_GT(info.step_size.max().item<double>(), 3.9e-3);
}

}  // namespace
}  // namespace kaem::mcmc::test
