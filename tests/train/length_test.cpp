#include "kaem/train/length.h"

#include <algorithm>
#include <filesystem>
#include <vector>

#include "kaem/core/error.h"
#include "kaem/train/memory_limit.h"
#include "tiny_run.h"

namespace kaem {
namespace {

TEST(LengthTest, UpdatesGoBeforeEpochs) {
  RunOptions o;
  o.epochs = 4;
  EXPECT_EQ(run_length(o, 50).total, 200);
  EXPECT_DOUBLE_EQ(run_length(o, 50).scale, 1);
  o.updates = 500, o.max_steps = 300;
  EXPECT_EQ(run_length(o, 50).total, 500);
  EXPECT_EQ(run_length(o, 50).last, 300);
  EXPECT_DOUBLE_EQ(run_length(o, 50).scale, 2.5);
}

TEST(LengthTest, SchedulesKeepTheirShareOfTheRun) {
  RunOptions epochs, updates;
  epochs.epochs = updates.epochs = 8, updates.updates = 30;
  const Length old_length = run_length(epochs, 50), length = run_length(updates, 50);  // 400 updates, and 30
  ScheduleOptions o;
  o.type = "milestones", o.decay = 0.5, o.milestones = {2, 6}, o.warmup_steps = 40;
  EXPECT_EQ(scaled(o, length).warmup_steps, 3);
  const auto factor = [&](const Length& l, int64_t step) {
    return schedule_factor(scaled(o, l), step, l.scale * static_cast<double>(l.steps_per_epoch), l.total);
  };
  for (int64_t step = 3; step < 30; ++step)
    EXPECT_DOUBLE_EQ(factor(length, step), factor(old_length, (step * 400 + 15) / 30)) << step;
  EXPECT_DOUBLE_EQ(factor(length, 7), 1);
  EXPECT_DOUBLE_EQ(factor(length, 8), 0.5);  // a quarter of 30 is 7.5
  EXPECT_DOUBLE_EQ(factor(length, 22), 0.5);
  EXPECT_DOUBLE_EQ(factor(length, 23), 0.25);
  BetaOptions beta;
  beta.cycles = 2, beta.cycle_length = 100;
  EXPECT_EQ(scaled(beta, length).cycle_length, 8);
}

/// A run of a budget is the run of the updates that it was found to hold, and goes on as one.
TEST(LengthTest, ABudgetBecomesUpdates) {
  const TempFolder temp("budget");
  Config config = tiny_config(temp.path);
  const Dataset data = tiny_data();
  config.run.budget = "0.2s";
  const Config fitted = within_budget(config, data);
  EXPECT_GE(fitted.run.updates, 1);
  ASSERT_FALSE(fitted.notes.empty());
  EXPECT_EQ(fitted.notes.back().find("budget 0.2s: "), 0u) << fitted.notes.back();
  EXPECT_TRUE(std::filesystem::is_empty(temp.path));  // what was timed has left nothing
  EXPECT_EQ(within_budget(fitted, data).run.updates, fitted.run.updates);

  Config whole = named(config, "whole"), parts = named(config, "parts");
  whole.run.updates = parts.run.updates = 23;
  whole.run.budget.clear();
  EXPECT_EQ(run_tiny(whole).steps, 23);
  parts.run.max_steps = 9;
  const std::string folder = run_tiny(parts).folder;
  Config on = RunFolder::open(folder).config();
  EXPECT_EQ(on.run.budget, "0.2s");
  on.run.out = config.run.out;
  EXPECT_EQ(run_tiny(on, folder).steps, 23);
  EXPECT_EQ(metrics_of(folder), metrics_of(temp / "DARCY_FLOW/vanilla/whole"));
}

TEST(LengthTest, ALongerBudgetHoldsMore) {
  Config config = tiny_config("");
  const Dataset data = tiny_data();
  config.run.budget = "10s";
  const int64_t short_one = within_budget(config, data).run.updates;
  config.run.budget = "1000s";
  EXPECT_GT(within_budget(config, data).run.updates, 20 * short_one);
}

TEST(MemoryLimit, TheLargestPartThatFits) {
  for (const int64_t batch : {1, 7, 100, 1000})
    for (const double limit : {0.5, 3.0, 12.0, 100.0, 5000.0}) {
      std::vector<int64_t> asked;
      const auto memory_of = [&](int64_t part) {  // 2 and 0.1 a data point
        asked.push_back(part);
        return 2 + 0.1 * static_cast<double>(part);
      };
      const int64_t part = largest_part(batch, limit, memory_of);
      const auto fits = static_cast<int64_t>((limit - 2) / 0.1 + 1e-9);
      EXPECT_EQ(part, std::clamp<int64_t>(fits, 0, batch)) << batch << " within " << limit;
      EXPECT_LE(asked.size(), 14U);
    }
  // Where memory grows faster than a line, never above the limit.
  for (const double limit : {1.5, 50.0, 3000.0}) {
    const auto square = [](int64_t part) { return static_cast<double>(part * part); };
    const int64_t part = largest_part(1000, limit, square);
    EXPECT_LE(square(part), limit);
    EXPECT_GE(square(2 * part), limit) << part;
  }
}

/// What was measured has left nothing, and the numbers are those of whole batches.
TEST(MemoryLimit, BecomesAPartOfTheBatch) {
  const TempFolder temp("memory_limit");
  Config config = tiny_config(temp.path);
  const Dataset data = tiny_data();
  EXPECT_EQ(within_memory(config, data).run.data_at_once, 0);
  config.run.memory_limit = "1M";
  try {
    within_memory(config, data);
    ADD_FAILURE() << "LibTorch alone takes more";
  } catch (const ConfigError& e) {
    EXPECT_NE(std::string(e.what()).find("memory_limit = 1M: the data and an update of one data point take "),
              std::string::npos)
        << e.what();
  }
  config.run.memory_limit = "64G";
  const Config roomy = within_memory(config, data);
  EXPECT_EQ(roomy.run.data_at_once, config.run.batch_size) << "the whole batch fits, and is not measured again";
  EXPECT_EQ(roomy.notes.back().find("memory_limit 64G: "), 0U) << roomy.notes.back();
  config.run.data_at_once = 3, config.run.memory_limit = "1M";
  EXPECT_EQ(within_memory(config, data).run.data_at_once, 3) << "the user's own";
  EXPECT_TRUE(std::filesystem::is_empty(temp.path));
}

}  // namespace
}  // namespace kaem
