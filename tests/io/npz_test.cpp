#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "kaem/core/error.h"
#include "kaem/core/rng.h"
#include "kaem/io/npy.h"
#include "support/files.h"
#include "support/message.h"

namespace kaem::test {
namespace {

using at::Tensor;

/// np.savez_compressed(file, mu=np.array([1.5, -2.0]), n=np.array(7)), NumPy 2.
constexpr const char* kOfNumpy =
    "504b03042d000000080000002100b098c541ffffffffffffffff060014006d752e6e70790100100090000000000000004d000000000000"
    "009bec17ea1b10c9c850c650ad9e925a9c5ca46ea5a06e9366a1aea3a09e965f54529498179f5f94920a12774bcc294e058a17672416a4"
    "02f91a463a9a3a0ab50a14002e0630f8610fa1190e0000504b03042d00000008000000210023b8f06cffffffffffffffff050014006e2e"
    "6e707901001000880000000000000046000000000000009bec17ea1b10c9c850c650ad9e925a9c5ca46ea5a06e9369a1aea3a09e965f54"
    "529498179f5f94920a12774bcc294e058a17672416a402f91a9a3a0ab50a14012e7606080000504b01022d032d000000080000002100b0"
    "98c5414d000000900000000600000000000000000000008001000000006d752e6e7079504b01022d032d00000008000000210023b8f06c"
    "46000000880000000500000000000000000000008001850000006e2e6e7079504b0506000000000200020067000000020100000000";

TEST(Npz, OfNumpyIsRead) {
  const TemporaryFolder folder;
  put(folder / "s.npz", unhex(kOfNumpy));
  const auto arrays = io::read_npz(folder / "s.npz");
  ASSERT_EQ(arrays.size(), 2U);
  EXPECT_TRUE(at::equal(arrays.at("mu"), at::tensor({1.5, -2.0}, at::kDouble)));
  EXPECT_EQ(arrays.at("n").item<int64_t>(), 7);
  EXPECT_EQ(arrays.at("n").dim(), 0);
}

TEST(Npz, IsReadAsItWasWritten) {
  const TemporaryFolder folder;
  const Tensor mu = Rng(1).normal(Stream::kTest, 0, {2048}, at::kDouble), sigma = at::outer(mu, mu);
  io::write_npz(folder / "a.npz", {{"mu", mu}, {"sigma", sigma}, {"empty", at::empty({0, 3})}});
  const auto arrays = io::read_npz(folder / "a.npz");
  ASSERT_EQ(arrays.size(), 3U);
  EXPECT_TRUE(at::equal(arrays.at("mu"), mu) && at::equal(arrays.at("sigma"), sigma));
  EXPECT_EQ(arrays.at("empty").sizes(), at::IntArrayRef({0, 3}));
  io::write_npz(folder / "b.npz", {{"mu", mu}, {"sigma", sigma}, {"empty", at::empty({0, 3})}});
  EXPECT_EQ(get(folder / "a.npz"), get(folder / "b.npz"));
}

/// Every cut and every changed byte: an error of one line, or what was written.
TEST(Npz, DamageIsFoundOrChangesNothing) {
  const TemporaryFolder folder;
  const std::string whole = unhex(kOfNumpy), path = folder / "d.npz";
  const auto expect_no_lie = [&](const std::string& bytes, size_t at) {
    put(path, bytes);
    try {
      const auto arrays = io::read_npz(path);
      const auto mu = arrays.find("mu");
      EXPECT_TRUE(mu == arrays.end() || at::equal(mu->second, at::tensor({1.5, -2.0}, at::kDouble))) << at;
    } catch (const DataError& error) {
      expect_readable(error.what());
    }
  };
  for (size_t i = 0; i < whole.size(); ++i) {
    expect_no_lie(whole.substr(0, i), i);
    std::string changed = whole;
    changed[i] = static_cast<char>(changed[i] ^ 0x15);
    expect_no_lie(changed, i);
  }
  EXPECT_THROW(io::read_npz(folder / "nothing.npz"), DataError);
}

}  // namespace
}  // namespace kaem::test
