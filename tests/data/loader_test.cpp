#include "kaem/data/loader.h"

#include <gtest/gtest.h>
#include <torch/types.h>

#include "kaem/core/error.h"

namespace kaem {
namespace {

Dataset numbered(int64_t records) {
  Dataset data;
  data.name = "numbered", data.shape = {1, 2, 3};
  data.train = (torch::arange(records * 6) % 251).to(torch::kByte).view({records, 1, 2, 3});
  return data;
}

TEST(BatchLoader, GivesTheBatchesOfTheDataSetInAnyOrder) {
  const Dataset mine = numbered(50), its = numbered(50);
  BatchLoader loader(its, 7, Rng(3));
  for (const int64_t step : {0, 1, 2, 3, 6, 7, 8, 100, 100, 5, 4}) {  // 7 updates an epoch: 6 to 8 cross its end
    const LoadedBatch batch = loader.get(step);
    EXPECT_TRUE(torch::equal(batch.x, mine.batch(step, 7, Rng(3)))) << step;
    EXPECT_TRUE(torch::equal(batch.index, mine.batch_index(step, 7, Rng(3)))) << step;
  }
}

TEST(BatchLoader, HandsOverWhatMakingABatchThrew) {
  const Dataset data = numbered(5);
  BatchLoader loader(data, 6, Rng(3));
  EXPECT_THROW(loader.get(0), ConfigError);
  EXPECT_THROW(loader.get(0), ConfigError);
  EXPECT_THROW(loader.get(1), ConfigError);
}

TEST(BatchLoader, EndsWithoutHavingBeenAsked) {
  const Dataset data = numbered(50);
  for (int i = 0; i < 100; ++i) {
    BatchLoader loader(data, 7, Rng(3));
    if (i % 2 == 0) loader.get(i);
  }
}

}  // namespace
}  // namespace kaem
