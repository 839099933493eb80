// A batch that is cut into parts gives the update of the whole: the same random numbers, gradients to rounding.
#include <gtest/gtest.h>

#include <cmath>

#include "kaem/dist/place.h"
#include "support/files.h"
#include "train/ways.h"

namespace kaem {
namespace {

/// Losses and gradient norms of the first updates.
std::vector<std::pair<double, double>> updates_of(Config config, int64_t at_once, int64_t count) {
  static const Dataset data = tiny_data();
  config.run.data_at_once = at_once;
  Trainer trainer(config, data);
  std::vector<std::pair<double, double>> values;
  for (int64_t i = 0; i < count; ++i) {
    const StepResult result = trainer.step(trainer.next_batch());
    values.emplace_back(result.loss, result.gradient_norm);
  }
  return values;
}

TEST(Parts, GiveTheUpdateOfTheWholeBatch) {
  const test::TemporaryFolder folder;
  for (auto [name, config] : ways_of_training(folder.str())) {
    SCOPED_TRACE(name);
    if (name == "cnn" || name == "baseline_gan") continue;  // batch norm
    // As many negative draws as samples with weight, of which each part has others: the same in expectation alone.
    if (name == "deep") continue;
    config.model.generator.noise = 0.05;
    const auto whole = updates_of(config, 0, 6);
    for (const int64_t at_once : {3, 5}) {
      const auto parts = updates_of(config, at_once, 6);
      for (size_t i = 0; i < whole.size(); ++i) {
        EXPECT_NEAR(parts[i].first, whole[i].first, 1e-5 * std::abs(whole[i].first)) << "update " << i;
        EXPECT_NEAR(parts[i].second, whole[i].second, 1e-4 * whole[i].second) << "update " << i;
      }
    }
  }
}

TEST(Parts, BatchNormNeedsTheWholeBatch) {
  const test::TemporaryFolder folder;
  for (auto& [name, config] : ways_of_training(folder.str()))
    if (name == "cnn") {
      EXPECT_THROW(updates_of(config, 3, 1), ConfigError);
      EXPECT_EQ(updates_of(config, 10, 1).size(), 1U) << "all at once is no part";
    }
}

}  // namespace
}  // namespace kaem
