#include "kaem/core/rng.h"
#include "kaem/core/philox.h"

#include <gtest/gtest.h>
#include <torch/types.h>

#include <cmath>
#include <vector>

namespace kaem {
namespace {

TEST(Rng, IsPhilox) {  // Random123's known answer for counter 0 and key 0
  const Rng rng(0);
  const auto none = static_cast<Stream>(0);
  const std::vector<uint32_t> expected = {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8};
  for (int64_t k = 0; k < 4; ++k) EXPECT_EQ(rng.bits(none, 0, k), expected[k]);
}

TEST(Rng, NumbersAreTheSameWhateverTheChunks) {
  const Rng rng(7);
  for (const auto dtype : {torch::kFloat, torch::kDouble}) {
    const at::Tensor whole = rng.uniform(Stream::kTest, 3, {1001}, dtype),
                     normal = rng.normal(Stream::kTest, 3, {1001}, dtype);
    for (const int64_t first : {0, 1, 2, 3, 5, 998}) {
      const int64_t n = std::min<int64_t>(500, 1001 - first);
      EXPECT_TRUE(torch::equal(whole.slice(0, first, first + n), rng.uniform(Stream::kTest, 3, {n}, dtype, first)));
      EXPECT_TRUE(torch::equal(normal.slice(0, first, first + n), rng.normal(Stream::kTest, 3, {n}, dtype, first)));
    }
  }
}

TEST(Rng, StreamsStepsAndSeedsDiffer) {
  const at::Tensor base = Rng(1).uniform(Stream::kTest, 0, {64});
  EXPECT_FALSE(torch::equal(base, Rng(1).uniform(Stream::kPrior, 0, {64})));
  EXPECT_FALSE(torch::equal(base, Rng(1).uniform(Stream::kTest, 1, {64})));
  EXPECT_FALSE(torch::equal(base, Rng(2).uniform(Stream::kTest, 0, {64})));
  EXPECT_FALSE(torch::equal(base, Rng(uint64_t{1} << 40).uniform(Stream::kTest, 0, {64})));
}

// Means, variances and lag-1 correlation of 10^6 numbers within 5 standard errors: false-alarm rate 8 x 6e-7.
TEST(Rng, HasTheRightMoments) {
  constexpr double kN = 1e6, kErrors = 5;
  const at::Tensor u = Rng(3).uniform(Stream::kTest, 0, {1'000'000}, torch::kDouble);
  EXPECT_NEAR(u.mean().item<double>(), 0.5, kErrors * std::sqrt(1 / (12 * kN)));
  EXPECT_NEAR(u.var().item<double>(), 1.0 / 12, kErrors * std::sqrt(1 / (180 * kN)));
  EXPECT_GT(u.min().item<double>(), 0);
  EXPECT_LT(u.max().item<double>(), 1);
  const at::Tensor z = Rng(3).normal(Stream::kTest, 0, {1'000'000}, torch::kDouble);
  EXPECT_NEAR(z.mean().item<double>(), 0, kErrors / std::sqrt(kN));
  EXPECT_NEAR(z.var().item<double>(), 1, kErrors * std::sqrt(2 / kN));
  EXPECT_NEAR(z.pow(4).mean().item<double>(), 3, kErrors * std::sqrt(96 / kN));
  EXPECT_NEAR((z.slice(0, 1) * z.slice(0, 0, -1)).mean().item<double>(), 0, kErrors / std::sqrt(kN));
}

// float32 takes polynomials in vector code, float64 the C library, of the same bits.
TEST(Rng, SinglePrecisionIsDoublePrecisionRounded) {
  const int64_t n = 1 << 21;
  const at::Tensor wide = Rng(4).normal(Stream::kTest, 1, {n}, torch::kDouble);
  const at::Tensor narrow = Rng(4).normal(Stream::kTest, 1, {n}).to(torch::kDouble);
  EXPECT_LT(((narrow - wide).abs() / (1 + wide.abs())).max().item<double>(), 3e-7);
  EXPECT_GT(wide.abs().max().item<double>(), 4.5);
  const at::Tensor u = Rng(4).uniform(Stream::kTest, 1, {n}), v = Rng(4).uniform(Stream::kTest, 1, {n}, torch::kDouble);
  EXPECT_TRUE(torch::equal(u.to(torch::kDouble), v));
  for (const int64_t i : {0, 1, 2, 3, 127, 128, 129, 100'003})
    EXPECT_EQ(v[i].item<double>(), ((Rng(4).bits(Stream::kTest, 1, i) >> 9) + 0.5) / (1 << 23));
}

// The formulas that GPUs run, one number at a time, against the vector code; also where a block's number outgrows 32
// bits.
TEST(Rng, ScalarFormulasGiveTheSameBits) {
  constexpr int64_t kCount = 4001, kStep = (int64_t{1} << 33) + 5;
  const Rng rng(0x123456789abcdefULL);
  const philox::Sequence sequence(rng.seed(), static_cast<uint32_t>(Stream::kTest), kStep);
  for (const int64_t first : {int64_t{3}, (int64_t{1} << 34) - 1999}) {
    const at::Tensor uniform = rng.uniform(Stream::kTest, kStep, {kCount}, torch::kFloat, first),
                     normal = rng.normal(Stream::kTest, kStep, {kCount}, torch::kFloat, first);
    for (int64_t i = 0; i < kCount; ++i) {
      const auto index = static_cast<uint64_t>(i + first), k = index % 4;
      const philox::Block words = sequence.block(index / 4);
      const philox::Direction pair = philox::normals_of_words(words.word[k / 2 * 2], words.word[k / 2 * 2 + 1]);
      ASSERT_EQ(uniform[i].item<float>(), philox::uniform_of_word(words.word[k])) << index;
#if !defined(__FMA__)  // with it this file's own arithmetic may be contracted
      ASSERT_EQ(normal[i].item<float>(), k % 2 == 0 ? pair.cosine : pair.sine) << index;
#endif
    }
  }
}

TEST(Rng, UniformsAreStrictlyInsideInSinglePrecision) {
  const at::Tensor u = Rng(9).uniform(Stream::kTest, 0, {1 << 22});
  EXPECT_GT(u.min().item<float>(), 0.0F);
  EXPECT_LT(u.max().item<float>(), 1.0F);
}

/// Numbers of some data of a batch are those that the whole batch gives them, along whichever dimension they stand.
TEST(Rng, PartsOfABatchHaveTheNumbersOfTheWhole) {
  const Rng rng(3);
  const std::vector<int64_t> sizes = {3, 7, 5};
  for (int64_t dim = 0; dim < 3; ++dim) {
    const int64_t total = sizes[dim];
    const at::Tensor normal = rng.normal(Stream::kTest, 2, sizes, {}, 11),
                     uniform = rng.uniform(Stream::kTest, 2, sizes, {}, 11);
    for (int64_t first = 0; first < total; ++first)
      for (int64_t count = 1; first + count <= total; ++count) {
        const Rng part = rng.of_rows({first, count, total});
        std::vector<int64_t> own = sizes;
        own[dim] = count;
        EXPECT_TRUE(at::equal(part.row_normal(Stream::kTest, 2, own, dim, {}, 11), normal.narrow(dim, first, count)));
        EXPECT_TRUE(at::equal(part.row_uniform(Stream::kTest, 2, own, dim, {}, 11), uniform.narrow(dim, first, count)));
      }
  }
  EXPECT_THROW(rng.of_rows({0, 2, 7}).row_normal(Stream::kTest, 0, {3}, 0), c10::Error);
}

/// Also where parts have other numbers of draws, or fewer draws than data, each lies within the whole's.
TEST(Rng, DrawsOfAPartLieWithinThoseOfTheWhole) {
  for (const BatchRows& rows : {BatchRows{0, 4, 10}, BatchRows{4, 3, 10}, BatchRows{7, 3, 10}})
    for (int64_t n = 1; n < 20; ++n) {
      const Rng part = Rng(1).of_rows(rows);
      EXPECT_GE(part.all_of(n), n) << rows.first << " " << n;
      EXPECT_LE(part.first_of(n) + n, part.all_of(n)) << rows.first << " " << n;
      if (n % rows.count != 0) continue;
      EXPECT_EQ(part.first_of(n), n / rows.count * rows.first);
      EXPECT_EQ(part.all_of(n), n / rows.count * rows.total);
    }
  EXPECT_EQ(Rng(1).first_of(5), 0);
  EXPECT_EQ(Rng(1).all_of(5), 5);
}

TEST(Rng, PermutationHoldsEveryIndexOnce) {
  const at::Tensor p = Rng(5).permutation(Stream::kData, 2, 1000);
  EXPECT_TRUE(torch::equal(std::get<0>(p.sort()), torch::arange(1000)));
  EXPECT_FALSE(torch::equal(p, torch::arange(1000)));
  EXPECT_FALSE(torch::equal(p, Rng(5).permutation(Stream::kData, 3, 1000)));
}

// Position of index 0 over 6000 permutations of 6: chi-squared of 5 degrees of freedom below 45, false-alarm rate 2e-8.
TEST(Rng, PermutationIsUniform) {
  std::vector<double> counts(6);
  for (int64_t step = 0; step < 6000; ++step)
    ++counts[Rng(5).permutation(Stream::kTest, step, 6).eq(0).nonzero().item<int64_t>()];
  double chi_squared = 0;
  for (const double count : counts) chi_squared += (count - 1000) * (count - 1000) / 1000;
  EXPECT_LT(chi_squared, 45);
}

}  // namespace
}  // namespace kaem
