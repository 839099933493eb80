// Training on a GPU: it goes where training on the processor goes, in every way of training, and a stopped run goes on.
// Without a GPU these tests are skipped, and say so.
#include <algorithm>
#include <cmath>

#include "kaem/core/error.h"
#include "kaem/ops/ops.h"
#include "train/tiny_run.h"
#include "train/ways.h"

namespace kaem {
namespace {

class Training_CUDA : public ::testing::Test {
 protected:
  void SetUp() override {
    try {
      load_cuda();
    } catch (const UsageError& e) {
      GTEST_SKIP() << "NOT TESTED on a GPU: " << e.what();
    }
  }
};

Config on(const std::string& device, Config config) {
  config.run.device = device, config.run.name = device;
  return config;
}

/// Columns of both runs agree in every row. Sums of other orders differ by some 1e-6, which updates make larger.
void expect_close_metrics(const std::string& a, const std::string& b) {
  const auto want = metrics_of(a), got = metrics_of(b);
  ASSERT_EQ(want.size(), got.size());
  ASSERT_GT(want.size(), 2U);
  ASSERT_EQ(want[0], got[0]);
  for (size_t column = 0; column < want[0].size(); ++column)
    for (size_t row = 1; row < want.size(); ++row) {
      const std::string &x = want[row][column], &y = got[row][column];
      if (x == y) continue;
      ASSERT_FALSE(x.empty() || y.empty()) << want[0][column];
      const double expected = std::stod(x), bound = 5e-3 * std::max(1.0, std::abs(expected));
      EXPECT_NEAR(std::stod(y), expected, bound) << want[0][column] << " of row " << row;
    }
}

TEST_F(Training_CUDA, GoesWhereTheProcessorGoesInEveryWay) {
  const TempFolder temp("cuda_ways");
  auto ways = ways_of_training(temp.path);
  ways.emplace_back("importance", tiny_config(temp / "importance"));
  for (auto& [name, config] : ways) {
    SCOPED_TRACE(name);
    config.run.max_steps = 10, config.run.log_steps = 1;  // beyond the first update of grids
    const auto want = run_tiny(on("cpu", config)), got = run_tiny(on("cuda", config));
    EXPECT_EQ(got.steps, 10);
    expect_close_metrics(want.folder, got.folder);
    EXPECT_NO_THROW(load_run(got.folder, "cpu")) << "a checkpoint made on a GPU is read without one";
  }
}

TEST_F(Training_CUDA, StoppedRunsGoOnWithTheSameBits) {
  const TempFolder temp("cuda_resume");
  auto ways = ways_of_training(temp.path);
  ways.emplace_back("importance", tiny_config(temp / "importance"));
  for (auto& [name, config] : ways) {
    SCOPED_TRACE(name);
    config.run.device = "cuda", config.run.deterministic = true;
    config.run.max_steps = 20;
    const auto straight = run_tiny(named(config, "straight"));
    auto stopping = named(config, "stopped");
    stopping.run.max_steps = 11;
    const auto first = run_tiny(stopping);
    Config rest = RunFolder::open(first.folder).config();
    rest.run.max_steps = 20;
    const auto second = run_tiny(rest, first.folder);
    EXPECT_EQ(second.steps, 20);
    const auto x = RunFolder::open(straight.folder).load_checkpoint(),
               y = RunFolder::open(second.folder).load_checkpoint();
    ASSERT_EQ(x.tensors.size(), y.tensors.size());
    for (const auto& [key, tensor] : x.tensors) EXPECT_TRUE(at::equal(tensor, y.tensors.at(key))) << key;
  }
}

}  // namespace
}  // namespace kaem
