#include "kaem/generator/perceptual.h"

#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/jit/api/module.h>

#include <fstream>

#include "generator/support.h"
#include "kaem/core/error.h"
#include "support/files.h"
#include "train/tiny_run.h"

namespace kaem::test {
namespace {

const DataShape kShape = {2, 3, 4};
constexpr int64_t kSize = 24;

/// A file with a small network: a smooth function of a convolution.
std::string network_file(const TemporaryFolder& folder, const std::string& body) {
  torch::jit::Module module("features");
  module.register_parameter("weight", normal({5, 2, 2, 2}, 9).to(at::kFloat), false);
  module.define("def forward(self, x):\n    " + body + "\n");
  const std::string path = folder / "features.pt";
  module.save(path);
  return path;
}

at::Tensor features(const at::Tensor& images) {
  return at::conv2d(images.reshape({-1, 2, 3, 4}), normal({5, 2, 2, 2}, 9).to(at::kFloat).to(images.scalar_type()))
      .tanh()
      .flatten(1);
}

struct PerceptualTest : testing::Test {
  TemporaryFolder folder;
  GeneratorOptions options;
  std::shared_ptr<Likelihood> likelihood = make_likelihood(options);
  Perceptual perceptual = make();

  Perceptual make() const {
    return {network_file(folder, "return torch.tanh(torch.conv2d(x, self.weight))"), 0.7, kShape};
  }
};

TEST_F(PerceptualTest, IsTheScaledMeanSquareOfFeatures) {
  perceptual.to(at::TensorOptions().dtype(at::kDouble));
  const at::Tensor x = uniform({3, kSize}, 1), g = normal({2, 3, 2, kSize}, 2);
  const auto [value, gradient] = perceptual.value_and_gradient(*likelihood, x, g);
  for (int64_t t = 0; t < 2; ++t)
    for (int64_t b = 0; b < 3; ++b)
      for (int64_t n = 0; n < 2; ++n) {
        const at::Tensor difference = features(x[b].unsqueeze(0)) - features(g[t][b][n].sigmoid().unsqueeze(0));
        EXPECT_NEAR(value[t][b][n].item<double>(), -0.7 * difference.square().mean().item<double>(), 1e-12);
      }
  const auto f = [&](const at::Tensor& v) {
    return perceptual.value_and_gradient(*likelihood, x, v).first.sum().item<double>();
  };
  expect_gradient(f, g, gradient);
  EXPECT_FALSE(value.requires_grad() || gradient.requires_grad());
}

TEST_F(PerceptualTest, AllPairsAndWeightedSumsAgreeWithOwnPairs) {
  perceptual.to(at::TensorOptions().dtype(at::kDouble));
  const at::Tensor x = uniform({3, kSize}, 1), g = normal({4, kSize}, 2), weight = uniform({3, 4}, 3);
  const at::Tensor own = g.reshape({1, 1, 4, kSize}).expand({1, 3, 4, kSize});
  const at::Tensor pairs = perceptual.all_pairs(*likelihood, x, g);
  EXPECT_LE(largest(pairs - perceptual.value_and_gradient(*likelihood, x, own).first[0]), 1e-12);
  const at::Tensor leaf = g.clone().requires_grad_();
  const at::Tensor shared = perceptual.weighted_all_pairs(*likelihood, weight, x, leaf);
  const at::Tensor each = perceptual.weighted_own(*likelihood, weight.unsqueeze(0), x,
                                                  leaf.reshape({1, 1, 4, kSize}).expand({1, 3, 4, kSize}));
  EXPECT_NEAR(shared.item<double>(), (weight * pairs).sum(1).mean().item<double>(), 1e-12);
  EXPECT_NEAR(each.item<double>(), shared.item<double>(), 1e-12);
  EXPECT_LE(largest(torch::autograd::grad({shared}, {leaf})[0] - torch::autograd::grad({each}, {leaf})[0]), 1e-12);
}

TEST(Network, ARunTakesNoneButItsOwn) {
  const TemporaryFolder folder;
  const auto network = [&](const std::string& body) {
    torch::jit::Module module("features");
    module.define("def forward(self, x):\n    " + body + "\n");
    module.save(folder / "n.pt");
  };
  TempFolder temp("network");
  Config config = named(tiny_config(temp.path), "a");
  config.model.generator.use_perceptual_loss = true, config.model.generator.perceptual_features = folder / "n.pt";
  config.run.max_steps = 2;
  network("return x.flatten(1)");
  const std::string run = run_tiny(config).folder;
  EXPECT_TRUE(RunFolder::open(run).load_checkpoint().files.contains(folder / "n.pt"));
  EXPECT_NE(read_text(run + "/log.txt").find("TorchScript program"), std::string::npos);
  config.run.max_steps = 4;
  run_tiny(config, run);
  network("return x.flatten(1) * 2");
  config.run.max_steps = 6;
  expect_message(message_of<DataError>([&] { run_tiny(config, run); }), {"n.pt", "not the network"});
  std::filesystem::rename(folder / "n.pt", folder / "other.pt");
  config.model.generator.perceptual_features = folder / "other.pt";
  EXPECT_EQ(run_tiny(config, run).steps, 6) << "under another name it is another network";
}

TEST_F(PerceptualTest, RefusesFilesInOneLine) {
  const auto message = [&](const std::string& path) -> std::string {
    try {
      Perceptual(path, 1, kShape);
    } catch (const ConfigError& error) {
      return error.what();
    }
    return {};
  };
  const std::string text = folder / "text.pt";
  std::ofstream(text) << "no network";
  for (const std::string& path : {std::string("/nowhere/features.pt"), text})
    EXPECT_EQ(message(path),
              "[GeneratorModel] perceptual_features = " + path + ": expected a file of TorchScript (torch.jit.save)");
  EXPECT_NE(message(network_file(folder, "return torch.matmul(x, self.weight)")).find("does not take images [n,2,3,4]"),
            std::string::npos);
  EXPECT_NE(message(network_file(folder, "return x.sum(0)")).find("a row for each image"), std::string::npos);
}

}  // namespace
}  // namespace kaem::test
