#include "train/progress.h"

#include <gtest/gtest.h>

namespace kaem {
namespace {

TEST(Progress, SixtyColumnsHoldTheTimeLeft) {
  const ProgressPoint point{1234, 80000, 3, 160, -84.4891, 960.3, 9876};
  const std::string wide = progress_text(point, 0, false);
  EXPECT_EQ(wide, "1234/80000  2%  epoch 3/160  loss -84.489  960 images/s  2:44:36 left");
  EXPECT_TRUE(progress_text(point, 0, true).starts_with("[........................]  1234/80000"));
  const std::string sixty = progress_text(point, 59, true);
  EXPECT_LE(sixty.size(), 59U);
  EXPECT_EQ(sixty, "1234/80000  2%  epoch 3/160  loss -84.489  2:44:36 left");
  EXPECT_EQ(progress_text(point, 40, true), "1234/80000  2%  2:44:36 left");
  EXPECT_EQ(progress_text(point, 10, true), "1234/80000  2%  2:44:36 left") << "never less; the log cuts it";
}

}  // namespace
}  // namespace kaem
