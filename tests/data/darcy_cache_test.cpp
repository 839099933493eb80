#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "kaem/core/error.h"
#include "kaem/data/darcy.h"
#include "kaem/data/dataset.h"
#include "kaem/io/npy.h"
#include "kaem/io/safetensors.h"
#include "support/files.h"

namespace kaem {
namespace {

using test::expect_message;
using test::message_of;
using test::TemporaryFolder;

/// A cache of its own, and what a call said and solved.
struct Cache {
  TemporaryFolder folder;
  test::Environment variable{"XDG_CACHE_HOME", folder.str()};
  std::vector<std::string> notes;
  int64_t solved = 0;

  std::pair<at::Tensor, at::Tensor> fields(int64_t count, uint64_t seed = 1) {
    notes.clear();
    solved = 0;
    return darcy::fields(count, seed, &notes, [&](int64_t, int64_t total) { solved = total; });
  }
  std::string path(uint64_t seed = 1) const {
    return folder / ("kaem/darcy_seed" + std::to_string(seed) + ".safetensors");
  }
};

bool same(const std::pair<at::Tensor, at::Tensor>& x, const std::pair<at::Tensor, at::Tensor>& y) {
  return at::equal(x.first, y.first) && at::equal(x.second, y.second);
}

std::pair<at::Tensor, at::Tensor> first(const std::pair<at::Tensor, at::Tensor>& x, int64_t n) {
  return {x.first.narrow(0, 0, n), x.second.narrow(0, 0, n)};
}

TEST(DarcyCache, ExtendsAndServesIdenticalFields) {
  std::pair<at::Tensor, at::Tensor> fresh;
  {
    Cache other;
    fresh = other.fields(6);
    EXPECT_EQ(other.solved, 6);
  }
  EXPECT_EQ(fresh.first.sizes(), at::IntArrayRef({6, 32, 32}));
  EXPECT_EQ(fresh.first.scalar_type(), at::kFloat);
  EXPECT_EQ(fresh.second.scalar_type(), at::kFloat);
  EXPECT_TRUE(fresh.first.eq(12).logical_or(fresh.first.eq(3)).all().item<bool>());

  Cache cache;
  EXPECT_TRUE(same(cache.fields(2), first(fresh, 2)));
  EXPECT_EQ(cache.solved, 2);
  EXPECT_TRUE(same(cache.fields(6), fresh));
  EXPECT_EQ(cache.solved, 4);  // only those that were missing
  const std::string file = test::get(cache.path());
  EXPECT_TRUE(same(cache.fields(3), first(fresh, 3)));
  EXPECT_EQ(cache.solved, 0);
  EXPECT_EQ(test::get(cache.path()), file);
  EXPECT_TRUE(cache.notes.empty());
  EXPECT_FALSE(at::equal(cache.fields(2, 2).second, fresh.second.narrow(0, 0, 2)));
}

TEST(DarcyCache, MetadataSaysWhatItHolds) {
  Cache cache;
  cache.fields(2, 5);
  const auto content = io::parse_safetensors(test::get(cache.path(5)), "cache");
  EXPECT_EQ(content.metadata.at("format"), "1");
  EXPECT_EQ(content.metadata.at("seed"), "5");
  EXPECT_EQ(content.metadata.at("grid"), "96");
  EXPECT_EQ(content.metadata.at("count"), "2");
}

TEST(DarcyCache, DamagedAndForeignFilesAreSolvedAgainWithANote) {
  Cache cache;
  const auto fresh = cache.fields(2);
  const std::string good = test::get(cache.path());
  std::string flipped = good;
  flipped[good.size() - 2000] = static_cast<char>(flipped[good.size() - 2000] ^ 1);
  const std::string other = io::to_safetensors({{"weights", at::ones({2})}}, {{"format", "1"}});
  for (const std::string& bad :
       {flipped, good.substr(0, good.size() / 2), other, std::string("not a cache"), std::string()}) {
    test::put(cache.path(), bad);
    EXPECT_TRUE(same(cache.fields(2), fresh));
    EXPECT_EQ(cache.solved, 2);
    ASSERT_EQ(cache.notes.size(), 1u);
    expect_message(cache.notes[0], {"solved again", cache.path()});
    EXPECT_EQ(test::get(cache.path()), good);
  }
  test::put(cache.path(7), good);  // a file of seed 1 under the name of seed 7
  EXPECT_FALSE(same(cache.fields(2, 7), fresh));
  ASSERT_EQ(cache.notes.size(), 1u);
  expect_message(cache.notes[0], {"seed is '1', expected '7'"});
}

TEST(DarcyCache, AnUnwritableFolderIsOnlyANote) {
  const TemporaryFolder folder;
  test::put(folder / "file", "x");
  const test::Environment variable("XDG_CACHE_HOME", folder / "file");
  std::vector<std::string> notes;
  EXPECT_EQ(darcy::fields(1, 1, &notes).second.size(0), 1);
  ASSERT_EQ(notes.size(), 1u);
  expect_message(notes[0], {"not cached", folder / "file"});
}

TEST(DarcyCache, HomeServesWhereNoCacheFolderIsNamed) {
  const TemporaryFolder home;
  const test::Environment variable("HOME", home.str()), relative("XDG_CACHE_HOME", "relative");
  darcy::fields(1, 1);
  EXPECT_TRUE(std::filesystem::exists(home / ".cache/kaem/darcy_seed1.safetensors"));
  EXPECT_FALSE(std::filesystem::exists("relative"));
}

TEST(DarcyDataset, FlowIsScaledByTheTrainingRange) {
  Cache cache;
  const auto [a, u] = cache.fields(12);
  const Dataset data = make_dataset({.name = "darcy_flow", .train_size = 8, .test_size = 4, .dequantize = true});
  EXPECT_EQ(data.name, "DARCY_FLOW");
  EXPECT_EQ(data.shape, (std::array<int64_t, 3>{1, 32, 32}));
  ASSERT_EQ(data.train.sizes(), at::IntArrayRef({8, 1, 32, 32}));
  ASSERT_EQ(data.test.sizes(), at::IntArrayRef({4, 1, 32, 32}));
  EXPECT_EQ(data.train.min().item<float>(), 0);
  EXPECT_EQ(data.train.max().item<float>(), 1);
  EXPECT_EQ(data.scale_min, u.narrow(0, 0, 8).min().item<double>());
  EXPECT_EQ(data.scale_max, u.narrow(0, 0, 8).max().item<double>());
  const at::Tensor back = data.test.squeeze(1).to(at::kDouble) * (data.scale_max - data.scale_min) + data.scale_min;
  EXPECT_TRUE(at::allclose(back, u.narrow(0, 8, 4).to(at::kDouble), 0, 1e-8));
  EXPECT_FALSE(data.dequantize);
  ASSERT_EQ(data.notes.size(), 1u);
  expect_message(data.notes[0], {"dequantize is ignored"});
  ASSERT_EQ(data.sources.size(), 1u);
  EXPECT_EQ(data.sources[0].first, "solver");
}

TEST(DarcyDataset, PermeabilityIsZeroAndOne) {
  Cache cache;
  const auto [a, u] = cache.fields(5);
  const Dataset data = make_dataset({.name = "DARCY_PERM", .train_size = 3, .test_size = 2});
  EXPECT_TRUE(at::equal(data.train.squeeze(1), a.narrow(0, 0, 3).eq(12).to(at::kFloat)));
  EXPECT_TRUE(at::equal(data.test.squeeze(1), a.narrow(0, 3, 2).eq(12).to(at::kFloat)));
  EXPECT_EQ(data.scale_max, 1);
}

TEST(DarcyDataset, SeedAndResizeAreHeeded) {
  Cache cache;
  const Dataset one = make_dataset({.train_size = 2, .test_size = 0, .resize = {16, 16}, .seed = 1});
  const Dataset two = make_dataset({.train_size = 2, .test_size = 0, .resize = {16, 16}, .seed = 2});
  EXPECT_EQ(one.train.sizes(), at::IntArrayRef({2, 1, 16, 16}));
  EXPECT_EQ(one.test.size(0), 0);
  EXPECT_EQ(one.train.max().item<float>(), 1);
  EXPECT_FALSE(at::equal(one.train, two.train));
}

TEST(DarcyFile, TheLastRecordsAreTheTestSet) {
  const TemporaryFolder folder;
  const std::string path = folder / "fields.npy";
  for (const auto type : {at::kByte, at::kFloat, at::kDouble}) {
    io::write_npy(path, at::arange(5 * 6, at::kDouble).view({5, 2, 3}).to(type));
    const Dataset data = make_dataset({.name = "DARCY_PERM", .train_size = 3, .test_size = 1, .darcy_file = path});
    EXPECT_EQ(data.shape, (std::array<int64_t, 3>{1, 2, 3}));
    EXPECT_TRUE(at::allclose(data.train.flatten(), at::arange(18, at::kFloat) / 17));
    EXPECT_TRUE(at::allclose(data.test.flatten(), at::arange(24, 30, at::kFloat) / 17));
    EXPECT_EQ(data.scale_max, 17);
    ASSERT_EQ(data.notes.size(), 1u);
    expect_message(data.notes[0], {path, "the last 1 of 5 records are the test set"});
  }
  const Dataset data = make_dataset({.train_size = 100, .test_size = 2, .darcy_file = path});
  EXPECT_EQ(data.train.size(0), 3);
  expect_message(data.notes[1], {"3 training records found, 100 asked for (N_train)"});
}

TEST(DarcyFile, OthersAreRefusedClearly) {
  const TemporaryFolder folder;
  const std::string path = folder / "fields.npy";
  const auto refusal = [&](const at::Tensor& x, int64_t test = 1) {
    io::write_npy(path, x);
    return message_of<DataError>([&] { make_dataset({.train_size = 2, .test_size = test, .darcy_file = path}); });
  };
  expect_message(message_of<ConfigError>([] { make_dataset({.darcy_file = "x.csv"}); }),
                 {"darcy_file = x.csv", "expected a file .npy, .pt, .mat or .h5"});
  expect_message(message_of<DataError>([] { make_dataset({.darcy_file = "/absent.npy"}); }),
                 {"/absent.npy", "No such file"});
  expect_message(refusal(at::zeros({3, 4})), {path, "[N,H,W]", "[3, 4]"});
  expect_message(refusal(at::rand({3, 4, 4}), 3), {path, "3 records cannot give 3 test records"});
  expect_message(refusal(at::full({3, 4, 4}, std::nanf(""))), {path, "not finite"});
  expect_message(refusal(at::ones({3, 4, 4})), {"all training values are 1"});
}

}  // namespace
}  // namespace kaem
