#include "kaem/train/length.h"

#include <filesystem>

#include "kaem/core/error.h"
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

}  // namespace
}  // namespace kaem
