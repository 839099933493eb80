// Training on a GPU: it goes where training on the processor goes, in every way of training, and a stopped run goes on.
// Without a GPU these tests are skipped, and say so.
#include <algorithm>
#include <cmath>

#include "kaem/prior/prior.h"
#include "kaem/train/update.h"
#include "support/files.h"
#include "support/gpu.h"
#include "train/tiny_run.h"
#include "train/ways.h"

namespace kaem {
namespace {

class Training_CUDA : public test::OnGpu<> {
 protected:
  void SetUp() override {
    OnGpu::SetUp();
    at::globalContext().setDeterministicAlgorithms(false, false);  // a run may have asked for them
  }
};

Config on(const std::string& device, Config config) {
  config.run.device = device, config.run.name = device;
  config.model.generator.precision.reduced = "FP32";  // processors have no TF32
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
    // Beyond the first update of grids; where a chain decides by a comparison, until one may fall the other way.
    config.run.max_steps = config.posterior.sampler == "automala" ? 4 : 10, config.run.log_steps = 1;
    config.run.sample_epochs = 1;  // pictures by the averages come in between
    const auto want = run_tiny(on("cpu", config)), got = run_tiny(on("cuda", config));
    EXPECT_EQ(got.steps, config.run.max_steps);
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

/// Training on a GPU, its updates recorded or not.
struct Trained {
  Trained(Config c, bool recorded, double steepness) : graphs("KAEM_CUDA_GRAPHS", recorded ? "1" : "0") {
    c.run.device = "cuda";
    trainer = std::make_unique<Trainer>(std::move(c), data);
    const at::NoGradGuard no_grad;
    for (auto& p : trainer->model()->prior->named_parameters())
      if (p.key() == "layer.coefficients") p.value().mul_(steepness);
  }

  StepResult step() { return trainer->step(trainer->next_batch()); }

  test::Environment graphs;
  Dataset data = tiny_data();
  std::unique_ptr<Trainer> trainer;
};

std::vector<std::pair<std::string, Config>> recorded_ways(const std::string& out) {
  std::vector<std::pair<std::string, Config>> ways = {{"importance", tiny_config(out)}, {"ula", tiny_config(out)}};
  ways[1].second.posterior.sampler = "ula";
  ways[1].second.posterior.iters = 4, ways[1].second.posterior.step_size = 0.01;
  ways.emplace_back("thermo", ways[1].second);
  ways[2].second.objective.criterion = "thermodynamic";
  ways[2].second.posterior.tempering.levels = 3, ways[2].second.posterior.tempering.iters = 4;
  return ways;
}

std::vector<std::vector<Number>> steps_of(Config config, bool recorded, double steepness) {
  config.grid.enabled = false;  // moved grids are recorded anew
  Trained trained(config, recorded, steepness);
  std::vector<std::vector<Number>> all;
  for (int64_t i = 0; i < 8; ++i) {
    const StepResult result = trained.step();
    all.push_back(result.terms);
    all.back().push_back({"loss", result.loss}), all.back().push_back({"norm", result.gradient_norm});
    // The first is made as it is, and so are all where the prior's table has to be refined.
    EXPECT_EQ(trained.trainer->replayed(), recorded && steepness == 1 ? i : 0);
  }
  return all;
}

/// The second update is recorded, the others are replays: other random numbers, other temperatures, other data. Steep
/// energies ask for a finer table, which a recording has not.
TEST_F(Training_CUDA, RecordedUpdatesAreThoseThatWereNot) {
  const TempFolder temp("cuda_recorded");
  for (const auto& [name, config] : recorded_ways(temp.path))
    for (const double steepness : {1.0, 300.0}) {
      SCOPED_TRACE(name + (steepness > 1 ? ", steep" : ""));
      const auto want = steps_of(config, false, steepness), got = steps_of(config, true, steepness);
      for (size_t i = 0; i < want.size(); ++i) {
        ASSERT_EQ(want[i].size(), got[i].size());
        for (size_t k = 0; k < want[i].size(); ++k) {
          EXPECT_EQ(want[i][k].name, got[i][k].name);
          EXPECT_NEAR(want[i][k].value, got[i][k].value, 1e-4 * std::max(1.0, std::abs(want[i][k].value)))
              << want[i][k].name << " of update " << i;
        }
      }
    }
}

}  // namespace
}  // namespace kaem
