#include "kaem/core/duration.h"

#include <gtest/gtest.h>

#include "kaem/core/bytes.h"
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

TEST(Bytes, AreThoseOfTheUnit) {
  EXPECT_DOUBLE_EQ(parse_bytes("4G"), 4.0 * (int64_t{1} << 30));
  EXPECT_DOUBLE_EQ(parse_bytes("512M"), 512.0 * (1 << 20));
  EXPECT_DOUBLE_EQ(parse_bytes("1.5K"), 1536);
  EXPECT_DOUBLE_EQ(parse_bytes("0.25T"), 0.25 * (int64_t{1} << 40));
  for (const char* text :
       {"", "4", "G", "4GB", "-1G", "0G", "4g", "4 G", "1e400G", "infG", "nanG", "4G ", " 4G", "1e3M"})
    EXPECT_THROW(parse_bytes(text), ConfigError) << text;
}

}  // namespace
}  // namespace kaem
