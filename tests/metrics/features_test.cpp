// Features: which pictures a network is given, and a classifier that learns, is kept and is read again.
#include "kaem/metrics/features.h"

#include <ATen/ATen.h>
#include <torch/csrc/jit/api/module.h>

#include <filesystem>
#include <fstream>

#include "kaem/core/error.h"
#include "kaem/core/rng.h"
#include "kaem/io/file.h"
#include "kaem/io/npy.h"
#include "kaem/metrics/moments_file.h"
#include "support/files.h"
#include "support/message.h"

namespace kaem::test {
namespace {

using at::Tensor;

/// A network of TorchScript with `definition` as its forward.
std::string network(const TemporaryFolder& folder, const std::string& definition) {
  torch::jit::Module module("features");
  module.define(definition);
  module.save(folder / "net.pt");
  return folder / "net.pt";
}

Tensor pictures(int64_t n, int64_t channels = 1) { return Rng(1).uniform(Stream::kTest, 0, {n, channels, 6, 5}); }

TEST(NetworkFeatures, OfAnyNetworkAreThoseOfPicturesFrom0To1) {
  const TemporaryFolder folder;
  const auto features = metrics::network_features(
      network(folder, "def forward(self, x):\n    return torch.stack([x.mean([1, 2, 3]), x.amax([1, 2, 3])], 1)\n"),
      {1, 6, 5}, "cpu");
  const Tensor x = pictures(2500), got = (*features)(x);
  EXPECT_TRUE(at::allclose(got.select(1, 0), x.flatten(1).mean(1)));
  EXPECT_TRUE(at::equal(got.select(1, 1), x.flatten(1).amax(1)));
  EXPECT_NE(features->description().find(io::sha256(io::read_file(folder / "net.pt")).substr(0, 16)),
            std::string::npos);
}

/// As the Inception network of the StyleGAN authors is called: bytes of three channels, return_features set.
TEST(NetworkFeatures, OfAnInceptionNetworkAreThoseOfBytesOnThreeChannels) {
  const TemporaryFolder folder;
  const auto features = metrics::network_features(network(folder, R"(
def forward(self, img, return_features: bool = False):
    assert img.dtype == 0 and img.size(1) == 3
    x = img.to(6)
    if return_features:
        return x.mean([2, 3])
    return x.mean([1, 2, 3]).unsqueeze(1)
)"),
                                                  {1, 6, 5}, "cpu");
  const Tensor x = pictures(3), got = (*features)(x), mean = (x * 255).round().mean(at::IntArrayRef({2, 3}));
  ASSERT_EQ(got.sizes(), at::IntArrayRef({3, 3}));
  EXPECT_TRUE(at::allclose(got, mean.expand({3, 3})));
}

TEST(NetworkFeatures, ThatDoNotFitAreRefusedInOneLine) {
  const TemporaryFolder folder;
  const auto refusal = [&](const std::string& path) {
    return message_of<DataError>([&] { metrics::network_features(path, {2, 6, 5}, "cpu"); });
  };
  std::ofstream(folder / "bad.pt") << "nothing";
  EXPECT_NE(refusal(folder / "bad.pt").find("expected a file of TorchScript"), std::string::npos);
  EXPECT_NE(refusal(network(folder, "def forward(self, x):\n    assert x.size(1) == 3\n    return x\n"))
                .find("does not take pictures [n,2,6,5]"),
            std::string::npos);
  EXPECT_NE(refusal(network(folder, "def forward(self, x):\n    return x.sum()\n")).find("a row for each image"),
            std::string::npos);
}

/// Two classes that differ in where the light is, with noise.
metrics::Labelled lit(int64_t n, int64_t draw) {
  const Tensor noise = Rng(7).uniform(Stream::kTest, draw, {n, 1, 8, 8});
  const Tensor labels = at::arange(n, at::kLong).remainder(2);
  Tensor x = 0.7 * noise;
  x.slice(2, 0, 4) += 0.2 * (1 - labels).reshape({n, 1, 1, 1});
  x.slice(2, 4) += 0.2 * labels.reshape({n, 1, 1, 1});
  return {(x * 255).to(at::kByte), labels};
}

/// Statistics of features that are no numbers would be none either.
TEST(NetworkFeatures, ThatAreNotFiniteAreRefused) {
  const TemporaryFolder folder;
  const auto features = metrics::network_features(
      network(folder, "def forward(self, x):\n  return x.flatten(1) / (x.flatten(1) - 0.25)\n"), {1, 2, 2}, "cpu");
  EXPECT_EQ((*features)(at::full({3, 1, 2, 2}, 0.75)).size(1), 4);
  const std::string refusal = message_of<DataError>([&] { (*features)(at::full({3, 1, 2, 2}, 0.25)); });
  EXPECT_NE(refusal.find("not all of them are finite"), std::string::npos) << refusal;
}

TEST(ClassifierFeatures, LearnAreKeptAndAreTheSameAgain) {
  const TemporaryFolder folder;
  const auto train = lit(3000, 0), test = lit(500, 1);
  int64_t passes = 0;
  const auto count = [&](int64_t, int64_t, double) { ++passes; };
  const auto first = metrics::classifier_features(train, test, folder / "cache", "cpu", count);
  EXPECT_GT(passes, 0);
  const std::string text = first->description();
  EXPECT_GT(std::stod(text.substr(text.find("features, ") + 10)), 95) << text;
  const Tensor x = pictures(10).slice(3, 0, 4).repeat({1, 1, 2, 2}).slice(2, 0, 8), features = (*first)(x);
  ASSERT_EQ(features.sizes(), at::IntArrayRef({10, 128}));

  passes = 0;
  EXPECT_TRUE(at::equal((*metrics::classifier_features(train, test, folder / "cache", "cpu", count))(x), features));
  EXPECT_EQ(passes, 0);  // it was read
  for (const auto& file : std::filesystem::directory_iterator(folder / "cache"))
    std::ofstream(file.path(), std::ios::app) << "damage";
  EXPECT_TRUE(at::equal((*metrics::classifier_features(train, test, folder / "cache", "cpu", count))(x), features));
  EXPECT_GT(passes, 0);  // and made again
  metrics::Labelled other = train;
  other.labels = 1 - train.labels;
  EXPECT_FALSE(at::equal((*metrics::classifier_features(other, test, folder / "cache", "cpu", {}))(x), features));
}

TEST(ClassifierFeatures, NeedTwoClasses) {
  metrics::Labelled one = lit(10, 0);
  one.labels = at::zeros_like(one.labels);
  EXPECT_NE(message_of<DataError>([&] { metrics::classifier_features(one, one, "", "cpu"); }).find("two classes"),
            std::string::npos);
}

TEST(MomentsFile, GivesBackWhatWasWritten) {
  const TemporaryFolder folder;
  metrics::Moments moments;
  moments.add(Rng(3).normal(Stream::kTest, 0, {40, 5}));
  metrics::write_moments(folder / "s.npz", moments, "0123abcd");
  const metrics::Moments read = metrics::read_moments(folder / "s.npz", "0123abcd", 5);
  EXPECT_EQ(read.count(), 40);
  EXPECT_TRUE(at::equal(read.mean(), moments.mean()));
  EXPECT_TRUE(at::equal(read.covariance(), moments.covariance()));
}

/// Each of these gave a distance, and no word.
TEST(MomentsFile, RefusesOtherFeaturesAndWhatIsNoCovariance) {
  const TemporaryFolder folder;
  metrics::Moments moments;
  moments.add(Rng(3).normal(Stream::kTest, 0, {40, 5}));
  metrics::write_moments(folder / "s.npz", moments, "0123abcd");
  const auto refusal = [&](const std::string& name, const Tensor& array) {
    auto arrays = io::read_npz(folder / "s.npz");
    arrays[name] = array;
    io::write_npz(folder / "o.npz", arrays);
    return message_of<DataError>([&] { metrics::read_moments(folder / "o.npz", "0123abcd", 5); });
  };
  EXPECT_NE(
      message_of<DataError>([&] { metrics::read_moments(folder / "s.npz", "4567abcd", 5); }).find("another network's"),
      std::string::npos);
  const Tensor sigma = moments.covariance();
  EXPECT_NE(refusal("mu", moments.mean() / 0).find("not finite"), std::string::npos);
  EXPECT_NE(refusal("sigma", sigma / 0).find("not finite"), std::string::npos);
  EXPECT_NE(refusal("sigma", -sigma).find("eigenvalue"), std::string::npos);
  EXPECT_NE(refusal("sigma", sigma.triu()).find("not symmetric"), std::string::npos);
  EXPECT_NE(refusal("sigma", sigma.slice(0, 0, 4)).find("expected mu [5]"), std::string::npos);
  // Rounding of float32 is none of it, nor is a file of another program, which names no network.
  io::write_npz(folder / "o.npz", {{"mu", moments.mean()}, {"sigma", sigma.to(at::kFloat)}});
  EXPECT_TRUE(at::allclose(metrics::read_moments(folder / "o.npz", "0123abcd", 5).covariance(), sigma, 1e-6, 1e-7));
  io::write_npz(folder / "o.npz", {{"mu", moments.mean()}, {"sigma", sigma}});
  EXPECT_EQ(metrics::read_moments(folder / "o.npz", "4567abcd", 5).count(), 0);
}

}  // namespace
}  // namespace kaem::test
