#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "kaem/core/error.h"
#include "kaem/train/optimizer.h"

namespace kaem {
namespace {

std::vector<int64_t> due_steps(const GridSchedule& grid, int64_t last) {
  std::vector<int64_t> steps;
  for (int64_t s = 0; s <= last; ++s)
    if (grid.due(s)) steps.push_back(s);
  return steps;
}

TEST(ScheduleTest, WarmUpRisesLinearly) {
  ScheduleOptions o;
  o.type = "constant", o.warmup_steps = 4;
  EXPECT_DOUBLE_EQ(schedule_factor(o, 0, 10, 100), 0.25);
  EXPECT_DOUBLE_EQ(schedule_factor(o, 2, 10, 100), 0.75);
  EXPECT_DOUBLE_EQ(schedule_factor(o, 3, 10, 100), 1);
  EXPECT_DOUBLE_EQ(schedule_factor(o, 50, 10, 100), 1);
}

TEST(ScheduleTest, EachMilestoneMultipliesByTheDecay) {
  ScheduleOptions o;
  o.type = "milestones", o.decay = 0.5, o.milestones = {2, 5};
  EXPECT_DOUBLE_EQ(schedule_factor(o, 19, 10, 100), 1);
  EXPECT_DOUBLE_EQ(schedule_factor(o, 20, 10, 100), 0.5);
  EXPECT_DOUBLE_EQ(schedule_factor(o, 49, 10, 100), 0.5);
  EXPECT_DOUBLE_EQ(schedule_factor(o, 50, 10, 100), 0.25);
}

TEST(ScheduleTest, CosineEndsAtTheDecay) {
  ScheduleOptions o;
  o.type = "cosine", o.decay = 0.1, o.warmup_steps = 11;
  EXPECT_DOUBLE_EQ(schedule_factor(o, 11, 10, 100), 1);
  EXPECT_NEAR(schedule_factor(o, 55, 10, 100), 0.55, 1e-12);  // the middle of 11..99
  EXPECT_NEAR(schedule_factor(o, 99, 10, 100), 0.1, 1e-12);
  for (int64_t s = 11; s < 99; ++s) EXPECT_GT(schedule_factor(o, s, 10, 100), schedule_factor(o, s + 1, 10, 100));
}

TEST(ScheduleTest, UnknownTypeIsAConfigError) {
  ScheduleOptions o;
  o.type = "cosin";
  EXPECT_THROW(schedule_factor(o, 0, 1, 1), ConfigError);
}

TEST(GridScheduleTest, ConstantIntervals) {
  GridSchedule grid;
  grid.frequency = 7, grid.decay = 1;
  EXPECT_EQ(due_steps(grid, 30), (std::vector<int64_t>{7, 14, 21, 28}));
}

TEST(GridScheduleTest, IntervalsGrowByTwoMinusDecay) {
  GridSchedule grid;
  grid.frequency = 10, grid.decay = 0.5;  // intervals 10, 15, 22.5, 33.75
  EXPECT_EQ(due_steps(grid, 100), (std::vector<int64_t>{10, 25, 47, 81}));
}

TEST(GridScheduleTest, FollowsTheRecurrenceOverALongRun) {
  for (const double decay : {0.9999, 0.999, 0.9}) {
    GridSchedule grid;
    grid.frequency = 50, grid.decay = decay;
    std::vector<int64_t> expected;
    for (double t = 50, interval = 50; t < 20000; interval *= 2 - decay, t += interval)
      expected.push_back(static_cast<int64_t>(std::floor(t + 1e-6)));
    EXPECT_EQ(due_steps(grid, 19999), expected) << decay;
  }
}

TEST(GridScheduleTest, OffMeansNever) {
  GridSchedule grid;
  grid.frequency = 5, grid.decay = 1;
  grid.enabled = false;
  EXPECT_TRUE(due_steps(grid, 50).empty());
  grid.enabled = true, grid.prior = grid.generator = false;
  EXPECT_TRUE(due_steps(grid, 50).empty());
}

}  // namespace
}  // namespace kaem
