#include "kaem/core/table.h"

#include <gtest/gtest.h>

#include <array>

namespace kaem {
namespace {

constexpr auto kTable = std::to_array<Named<int>>({{"RBF", 1}, {"B-spline", 2}, {"Morlet", 3}});

TEST(Table, FindsWhateverTheCase) {
  EXPECT_EQ(find(kTable, "basis", "rbf"), 1);
  EXPECT_EQ(find(kTable, "basis", "b-SPLINE"), 2);
}

TEST(Table, NamesWhatIsAllowedAndTheNearest) {
  try {
    find(kTable, "basis", "Mrolet");
    FAIL() << "no error";
  } catch (const ConfigError& e) {
    EXPECT_STREQ(e.what(), "basis 'Mrolet' is not known; one of: RBF B-spline Morlet; did you mean 'Morlet'?");
    EXPECT_EQ(e.exit_status(), 2);
  }
}

TEST(Table, SuggestsNothingForAWordThatIsFarFromAll) {
  EXPECT_EQ(nearest_name("perceptual_features", names_of(kTable)), "");
  EXPECT_EQ(nearest_name("batch_sise", {"batch_size", "base_size"}), "batch_size");
}

}  // namespace
}  // namespace kaem
