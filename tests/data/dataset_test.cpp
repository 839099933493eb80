#include "kaem/data/dataset.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "kaem/core/error.h"
#include "support/files.h"

namespace kaem {
namespace {

using test::expect_message;
using test::message_of;

Dataset made(int64_t records, int64_t width) {
  Dataset data;
  data.name = "TEST";
  data.train = at::arange(records * width, at::kFloat).view({records, 1, 1, width});
  data.shape = {1, 1, width};
  return data;
}

TEST(Batches, EveryEpochIsAPermutationWithTheRestDropped) {
  const Dataset data = made(23, 1);
  const Rng rng(3);
  ASSERT_EQ(data.steps_per_epoch(5), 4);
  std::vector<std::vector<float>> epochs;
  for (int64_t epoch = 0; epoch < 3; ++epoch) {
    std::vector<float> seen;
    for (int64_t step = 4 * epoch; step < 4 * (epoch + 1); ++step) {
      const at::Tensor x = data.batch(step, 5, rng);
      ASSERT_EQ(x.sizes(), at::IntArrayRef({5, 1}));
      for (int64_t i = 0; i < 5; ++i) seen.push_back(x[i].item<float>());
    }
    EXPECT_EQ(std::set<float>(seen.begin(), seen.end()).size(), 20u);  // none twice
    epochs.push_back(seen);
  }
  EXPECT_NE(epochs[0], epochs[1]);
  EXPECT_NE(epochs[1], epochs[2]);
}

TEST(Batches, DependOnSeedAndStepOnly) {
  Dataset data = made(40, 3);
  data.dequantize = true;
  std::vector<at::Tensor> forward;
  for (int64_t step = 0; step < 12; ++step) forward.push_back(data.batch(step, 10, Rng(7)));
  for (const int64_t step : {11, 0, 5, 4, 7, 3}) {
    data.batch((step + 3) % 12, 10, Rng(8));  // another seed in between changes nothing
    EXPECT_TRUE(at::equal(data.batch(step, 10, Rng(7)), forward[step]));
    EXPECT_FALSE(at::equal(data.batch(step, 10, Rng(8)), forward[step]));
  }
}

TEST(Batches, AllRecordsServeWhenTheBatchDividesThem) {
  const Dataset data = made(12, 1);
  double sum = 0;
  for (int64_t step = 0; step < 3; ++step) sum += data.batch(step, 4, Rng(1)).sum().item<double>();
  EXPECT_EQ(sum, 66);
}

TEST(Batches, ImpossibleBatchSizesAreRefused) {
  const Dataset data = made(12, 1);
  EXPECT_EQ(data.steps_per_epoch(12), 1);
  expect_message(message_of<ConfigError>([&] { data.steps_per_epoch(13); }), {"batch_size = 13", "1 to 12", "TEST"});
  expect_message(message_of<ConfigError>([&] { data.batch(0, 0, Rng(1)); }), {"batch_size = 0"});
}

TEST(Batches, BytesBecomeTheUnitInterval) {
  Dataset data = made(4, 2);
  data.train = at::tensor({0, 255, 51, 102, 1, 2, 3, 4}, at::kByte).view({4, 1, 1, 2});
  const at::Tensor x = Dataset::to_float(data.train, at::tensor({1, 0}, at::kLong));
  EXPECT_EQ(x.scalar_type(), at::kFloat);
  EXPECT_TRUE(at::equal(x, at::tensor({0.2f, 0.4f, 0.0f, 1.0f}).view({2, 2})));
  EXPECT_EQ(data.train.scalar_type(), at::kByte);
}

TEST(Batches, DequantizedBytesFillTheirBins) {
  Dataset data = made(256, 1);
  data.train = at::arange(256, at::kByte).view({256, 1, 1, 1});
  data.dequantize = true;
  const Rng rng(11);
  double sum = 0;
  constexpr int64_t kSteps = 200;
  for (int64_t step = 0; step < kSteps; ++step) {
    const at::Tensor x = data.batch(step, 256, rng).flatten(), bins = std::get<0>((x * 256).floor().sort());
    EXPECT_TRUE(at::equal(bins, at::arange(256, at::kFloat)));  // one in each bin, none outside [0,1)
    sum += (x * 256 - (x * 256).floor()).sum().item<double>();
  }
  // Mean of 51,200 uniforms: 6 standard errors, false alarms 2e-9.
  const double count = 256.0 * kSteps;
  EXPECT_NEAR(sum / count, 0.5, 6 * std::sqrt(1 / (12 * count)));
}

TEST(Batches, RandomFlipsMirrorHalfOfTheImages) {
  Dataset data = made(400, 12);
  data.train = data.train.view({400, 2, 2, 3}), data.shape = {2, 2, 3};
  data.flip = true;
  const at::Tensor x = data.batch(3, 400, Rng(5));
  const at::Tensor index = data.batch_index(3, 400, Rng(5));
  const at::Tensor plain = data.train.index_select(0, index), mirrored = plain.flip(3);
  int64_t flipped = 0;
  for (int64_t b = 0; b < 400; ++b) {
    const bool same = at::equal(x[b], plain[b].flatten());
    ASSERT_TRUE(same || at::equal(x[b], mirrored[b].flatten()));
    flipped += !same;
  }
  EXPECT_NEAR(static_cast<double>(flipped), 200, 60);  // 6 standard errors, false alarms 2e-9
  EXPECT_TRUE(at::equal(data.batch(3, 400, Rng(5)), x));
  EXPECT_FALSE(at::equal(std::get<0>(data.batch(4, 400, Rng(5)).sort(0)), std::get<0>(x.sort(0))));
}

TEST(Batches, WordsStayIndices) {
  Dataset data = made(3, 2);
  data.train = at::tensor({7, -1, 0, 9999, 2, 3}, at::kInt).view({3, 2});
  data.vocabulary = {"a", "b"};
  EXPECT_TRUE(data.is_text());
  EXPECT_TRUE(at::equal(Dataset::to_float(data.train, at::tensor({1, 0}, at::kLong)),
                        at::tensor({0.0f, 9999.0f, 7.0f, -1.0f}).view({2, 2})));
}

TEST(Batches, RowsArePreparedBeforeTheyAreRead) {
  Dataset data = made(6, 1);
  data.train = at::zeros({6, 1, 1, 1}, at::kByte);
  data.prepare_rows = [&data](const at::Tensor& index) { data.train.index_fill_(0, index, 255); };
  EXPECT_TRUE(at::equal(data.batch(0, 4, Rng(2)), at::ones({4, 1})));
  EXPECT_EQ(data.train.sum().item<int64_t>(), 4 * 255);
}

TEST(DatasetNames, UnknownOnesAreRefused) {
  const auto refusal = [](const std::string& name) {
    return message_of<ConfigError>([&] { make_dataset({.name = name}); });
  };
  expect_message(refusal("MNSIT"), {"data set 'MNSIT'", "did you mean 'MNIST'"});
  expect_message(message_of<ConfigError>([] { fetch_dataset("nothing", "."); }), {"data set 'nothing'"});
  expect_message(message_of<ConfigError>([] { verify_dataset("SHVN", "."); }), {"did you mean 'SVHN'"});
  for (const auto& name : dataset_names()) {
    EXPECT_EQ(dataset_traits(name).name, name);  // no other set of that name goes before it
    EXPECT_FALSE(dataset_traits(name).config.empty()) << name;
  }
}

TEST(DatasetOptions, ImpossibleOnesAreRefused) {
  expect_message(message_of<ConfigError>([] { make_dataset({.train_size = 0}); }), {"N_train = 0"});
  expect_message(message_of<ConfigError>([] { make_dataset({.test_size = -1}); }), {"N_test = -1"});
  expect_message(message_of<ConfigError>([] { make_dataset({.resize = {16}}); }), {"resize = 16"});
  expect_message(message_of<ConfigError>([] { make_dataset({.resize = {16, 0}}); }), {"resize = 16x0"});
}

}  // namespace
}  // namespace kaem
