#include "kaem/core/duration.h"

#include <gtest/gtest.h>

#include "kaem/core/error.h"

namespace kaem {
namespace {

TEST(DurationTest, UnitsAddUp) {
  EXPECT_DOUBLE_EQ(parse_duration("90"), 90);
  EXPECT_DOUBLE_EQ(parse_duration("0.5s"), 0.5);
  EXPECT_DOUBLE_EQ(parse_duration("10m"), 600);
  EXPECT_DOUBLE_EQ(parse_duration("1h30m"), 5400);
  EXPECT_DOUBLE_EQ(parse_duration("2d1h1m1s"), 2 * 86400 + 3661);
  EXPECT_DOUBLE_EQ(parse_duration("1.5h"), 5400);
}

TEST(DurationTest, AnythingElseIsAConfigError) {
  for (const char* text :
       {"", "m", "10x", "10 m", "-5m", "0", "0m", "1m1h", "5m5m", "1h30", "nan", "inf", "1e400", "10min"})
    EXPECT_THROW(parse_duration(text), ConfigError) << text;
}

TEST(DurationTest, ClocksHaveHoursWhereTheyNeedThem) {
  EXPECT_EQ(clock_text(161.4), "2:41");
  EXPECT_EQ(clock_text(3723), "1:02:03");
}

}  // namespace
}  // namespace kaem
