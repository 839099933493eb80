#include <torch/csrc/autograd/autograd.h>

#include <set>

#include "generator/support.h"
#include "generator/transposed_convolution.h"
#include "kaem/core/error.h"
#include "kaem/core/str.h"
#include "kaem/generator/generator.h"

namespace kaem::test {
namespace {

constexpr int64_t kLatent = 3;

/// A small stack: 1 or 2 (projected) -> ... -> 32.
CnnOptions small(bool projection) {
  CnnOptions o{.use = true, .dims = {5, 4, 3, 3}, .projection = projection};
  if (projection) o.dims = {5, 4, 3}, o.strides = {2, 2, 2, 2}, o.kernels = {4, 4, 4, 4}, o.paddings = {1, 1, 1, 1};
  return o;
}

std::shared_ptr<Generator> make(const CnnOptions& cnn, const DataShape& shape) {
  GeneratorOptions options;
  options.cnn = cnn;
  auto generator = make_generator(options, kLatent, shape, Rng(1));
  generator->to(at::kDouble);
  generator->eval();
  return generator;
}

/// All combinations of the switches.
std::vector<CnnOptions> combinations() {
  std::vector<CnnOptions> all;
  for (int bits = 0; bits < 16; ++bits) {
    CnnOptions o = small((bits & 1) != 0);
    o.batchnorm = (bits & 2) != 0, o.latent_concat = (bits & 4) != 0, o.residual = (bits & 8) != 0;
    all.push_back(o);
  }
  return all;
}

std::string name_of(const CnnOptions& o) {
  return str(o.projection ? "projection " : "", o.batchnorm ? "batchnorm " : "", o.latent_concat ? "concat " : "",
             o.residual ? "residual" : "");
}

/// Moves running statistics away from 0 and 1.
void warm_up(Generator& generator) {
  const torch::NoGradGuard no_grad;
  generator.train();
  for (int64_t i = 0; i < 4; ++i) generator.forward(2 * normal({16, kLatent}, i) + 1);
  generator.eval();
}

TEST(Cnn, GivesTheShapeOfTheDataForEveryCombination) {
  const at::Tensor u = normal({2, kLatent}, 0);
  for (const auto& options : combinations())
    for (const int64_t size : {28, 32})
      for (const int64_t channels : {1, 3}) {
        const auto generator = make(options, {channels, size, size});
        EXPECT_EQ(generator->forward(u).sizes(), (at::IntArrayRef{2, channels * size * size})) << name_of(options);
        EXPECT_EQ(generator->depends_on_batch(), options.batchnorm);
        for (const auto& p : generator->named_parameters()) EXPECT_TRUE(p.value().requires_grad()) << p.key();
      }
}

TEST(Cnn, EveryParameterHasAnEffect) {
  for (const auto& options : combinations()) {
    const auto generator = make(options, {1, 28, 28});
    generator->train();
    generator->forward(normal({6, kLatent}, 0)).square().sum().backward();
    for (const auto& p : generator->named_parameters()) {
      ASSERT_TRUE(p.value().grad().defined()) << name_of(options) << p.key();
      EXPECT_GT(largest(p.value().grad()), 0) << name_of(options) << p.key();
    }
  }
}

TEST(Cnn, CutsOffTheEdgesOfALargerResult) {
  const auto full = make(small(false), {1, 32, 32}), cut = make(small(false), {1, 28, 30});
  const at::Tensor u = normal({2, kLatent}, 0);
  const at::Tensor image = full->forward(u).reshape({2, 32, 32});
  EXPECT_TRUE(torch::equal(cut->forward(u).reshape({2, 28, 30}), image.slice(1, 2, 30).slice(2, 1, 31)));
}

TEST(Cnn, AFrozenCopyIsTheEvaluatedNetworkAndPullsBackItsGradient) {
  const at::Tensor u = normal({4, kLatent}, 50), grad = normal({4, 28 * 28}, 51);
  for (auto options : combinations()) {
    options.activation = "silu";  // smooth, for the differences
    const auto generator = make(options, {1, 28, 28});
    warm_up(*generator);
    const auto frozen = generator->freeze();
    const at::Tensor out = frozen->forward(u, {});
    EXPECT_FALSE(out.requires_grad());
    EXPECT_LE(largest(out - generator->forward(u)), 1e-12) << name_of(options);
    const at::Tensor leaf = u.clone().requires_grad_();
    const at::Tensor expected = torch::autograd::grad({generator->forward(leaf)}, {leaf}, {grad})[0];
    const at::Tensor pulled = frozen->pullback(grad);
    EXPECT_LE(largest(pulled - expected), 1e-12 * largest(expected)) << name_of(options);
    EXPECT_TRUE(torch::equal(pulled, frozen->pullback(grad))) << "again";
    expect_gradient([&](const at::Tensor& v) { return (frozen->forward(v, {}) * grad).sum().item<double>(); }, u,
                    pulled);
    for (const auto& p : generator->parameters()) EXPECT_FALSE(p.grad().defined());
  }
}

TEST(Cnn, AFrozenCopyPullsBackThroughEveryActivation) {
  const at::Tensor u = normal({4, kLatent}, 52), grad = normal({4, 28 * 28}, 53);
  for (const auto& activation : ops::activation_names()) {
    CnnOptions options = small(true);
    options.activation = activation, options.residual = options.latent_concat = true, options.leakyrelu_slope = 0.2;
    const auto generator = make(options, {1, 28, 28});
    const at::Tensor leaf = u.clone().requires_grad_();
    const at::Tensor expected = torch::autograd::grad({generator->forward(leaf)}, {leaf}, {grad})[0];
    const auto frozen = generator->freeze();
    frozen->forward(u, {});
    EXPECT_LE(largest(frozen->pullback(grad) - expected), 1e-12 * largest(expected)) << activation;
  }
}

// Few channels go by a matrix product and sums of its columns; float64 goes by LibTorch's convolution. bfloat16 rounds
// operands, columns and gradients, each to 2⁻⁹ of itself; the sum of columns stays float32.
void compare_columns(at::ScalarType type, double tolerance, int64_t channels, int64_t k, int64_t stride,
                     int64_t padding) {
  SCOPED_TRACE(str(at::toString(type), ", ", channels, " channels, kernel ", k, ", stride ", stride, ", ", padding));
  std::vector<at::Tensor> narrow = {normal({5, 7, 6, 4}, 1).contiguous(at::MemoryFormat::ChannelsLast),
                                    normal({7, channels, k, k}, 2), normal({channels}, 3)},
                          wide;
  for (auto& t : narrow) {
    t = t.to(type), wide.push_back(t.to(at::kDouble));
    t.requires_grad_(), wide.back().requires_grad_();
  }
  const at::Tensor want = network::transposed_convolution(wide[0], wide[1], wide[2], stride, padding),
                   got = network::transposed_convolution(narrow[0], narrow[1], narrow[2], stride, padding);
  EXPECT_TRUE(
      torch::allclose(want, at::conv_transpose2d(wide[0], wide[1], wide[2], {stride, stride}, {padding, padding})));
  EXPECT_EQ(got.scalar_type(), at::kFloat);
  ASSERT_EQ(got.sizes(), want.sizes());
  EXPECT_LE(largest(got - want), tolerance * largest(want));
  const at::Tensor grad = normal(want.sizes(), 4).to(type).to(at::kFloat);
  want.backward(grad.to(at::kDouble)), got.backward(grad);
  for (size_t i = 0; i < wide.size(); ++i)
    EXPECT_LE(largest(narrow[i].grad() - wide[i].grad()), tolerance * largest(wide[i].grad())) << i;
  EXPECT_LE(largest(network::transposed_convolution_pullback(grad.to(at::kDouble), wide[1].detach(), stride, padding) -
                    wide[0].grad()),
            1e-12 * largest(wide[0].grad()));
}

TEST(Cnn, ConvolutionsByColumnsAreConvolutions) {
  for (const auto& [k, stride, padding] :
       std::vector<std::array<int64_t, 3>>{{4, 2, 1}, {3, 1, 1}, {3, 2, 0}, {2, 3, 0}, {1, 1, 0}, {4, 3, 2}, {3, 2, 1}})
    for (const int64_t channels : {1, 3}) {
      compare_columns(at::kFloat, 1e-5, channels, k, stride, padding);
      compare_columns(at::kBFloat16, 1e-2, channels, k, stride, padding);
    }
}

TEST(Cnn, AFrozenCopyOfATrainingNetworkUsesRunningStatistics) {
  CnnOptions options = small(false);
  options.batchnorm = true;
  const auto generator = make(options, {1, 32, 32});
  warm_up(*generator);
  const at::Tensor u = normal({4, kLatent}, 50), expected = generator->forward(u);
  generator->train();
  const at::Tensor before = generator->named_buffers()["layer0.running_mean"].clone();
  EXPECT_LE(largest(generator->freeze()->forward(u, {}) - expected), 1e-12);
  EXPECT_TRUE(torch::equal(before, generator->named_buffers()["layer0.running_mean"]));
  // The batch's statistics differ, and move the running ones.
  EXPECT_GT(largest(generator->forward(u) - expected), 1e-3);
  EXPECT_GT(largest(before - generator->named_buffers()["layer0.running_mean"]), 1e-3);
}

TEST(Cnn, RowsDoNotDependOnEachOtherWhenEvaluated) {
  CnnOptions options = small(true);
  options.batchnorm = true;
  const auto generator = make(options, {1, 32, 32});
  warm_up(*generator);
  const at::Tensor u = normal({4, kLatent}, 50);
  EXPECT_LE(largest(generator->forward(u.slice(0, 0, 1)) - generator->forward(u).slice(0, 0, 1)), 1e-13);
}

// Pang et al. 2020, SVHN: 100 -> 512x4x4 -> 256x8x8 -> 128x16x16 -> 3x32x32, leaky ReLU of slope 0.2.
TEST(Cnn, ExpressesTheGeneratorOfPangEtAl) {
  GeneratorOptions options;
  options.cnn = {.use = true,
                 .dims = {8, 6, 4},
                 .strides = {1, 2, 2, 2},
                 .kernels = {4, 4, 4, 4},
                 .paddings = {0, 1, 1, 1},
                 .leakyrelu_slope = 0.2};
  const auto generator = make_generator(options, 5, {3, 32, 32}, Rng(1));
  const auto p = generator->named_parameters();
  const at::Tensor u = normal({2, 5}, 0).to(at::kFloat);
  at::Tensor x = u.reshape({2, 5, 1, 1});
  for (int64_t l = 0; l < 4; ++l) {
    const int64_t stride = l == 0 ? 1 : 2, padding = l == 0 ? 0 : 1;
    x = at::conv_transpose2d(x, p[str("layer", l, ".weight")], p[str("layer", l, ".bias")], {stride, stride},
                             {padding, padding});
    EXPECT_EQ(x.size(2), 4 << l);
    if (l < 3) x = at::where(x > 0, x, 0.2 * x);
  }
  EXPECT_LE(largest(generator->forward(u) - x.flatten(1)), 1e-6);
}

TEST(Cnn, SaysWhichSizeTheLayersGive) {
  const auto message = [](const CnnOptions& options, const DataShape& shape) -> std::string {
    try {
      make(options, shape);
    } catch (const ConfigError& error) {
      return error.what();
    }
    return {};
  };
  EXPECT_NE(message(small(false), {1, 64, 64}).find("the layers give 32x32 from 1x1, the data are 64x64"),
            std::string::npos);
  EXPECT_NE(message(small(true), {1, 16, 16}).find("give 32x32 from 2x2, the data are 16x16"), std::string::npos);
  CnnOptions options = small(false);
  options.strides = {2, 2};
  EXPECT_NE(message(options, {1, 32, 32}).find("[CNN] strides: expected 5 numbers"), std::string::npos);
  options = small(false);
  options.paddings = {3, 1, 1, 1, 1};
  EXPECT_NE(message(options, {1, 32, 32}).find("layer 0 gives images of -2 rows"), std::string::npos);
}

// Bounds of PyTorch's defaults; the mean square of 5·5·16·... uniform draws lies within 10 % of bound²/3 (the relative
// standard deviation at 400 draws is 4.5 %; this seed is fixed, so there are no false alarms).
TEST(Cnn, StartsAsPyTorchDoesFromOneSeed) {
  const CnnOptions options{.use = true, .dims = {20, 10, 6, 5}};
  const auto generator = make(options, {1, 32, 32}), again = make(options, {1, 32, 32});
  const at::Tensor weight = generator->named_parameters()["layer1.weight"];  // [20,10,4,4]
  const double bound = 1 / std::sqrt(10.0 * 16);
  EXPECT_EQ(weight.sizes(), (at::IntArrayRef{20, 10, 4, 4}));
  EXPECT_LE(largest(weight), bound);
  EXPECT_NEAR(weight.square().mean().item<double>(), bound * bound / 3, 0.1 * bound * bound / 3);
  for (const auto& p : generator->named_parameters())
    EXPECT_TRUE(torch::equal(p.value(), again->named_parameters()[p.key()])) << p.key();
}

TEST(Cnn, NamesOfTheStateAreStable) {
  CnnOptions options{.use = true,
                     .dims = {4, 4},
                     .strides = {2, 2, 2},
                     .kernels = {4, 4, 4},
                     .paddings = {1, 1, 1},
                     .batchnorm = true,
                     .residual = true,
                     .projection = true};
  const auto generator = make(options, {1, 16, 16});
  options.dims = {4, 3};
  const auto narrower = make(options, {1, 16, 16});
  std::set<std::string> names, wanted = {"projection.weight", "projection.bias"};
  for (const auto& p : generator->named_parameters()) names.insert(p.key());
  for (const auto& p : generator->named_buffers()) names.insert(p.key());
  for (const char* layer : {"layer0.", "layer1."})
    for (const char* part : {"weight", "bias", "norm_weight", "norm_bias", "running_mean", "running_var"})
      wanted.insert(std::string(layer) + part);
  wanted.insert({"layer2.weight", "layer2.bias"});
  EXPECT_EQ(names, wanted);
  EXPECT_TRUE(narrower->named_parameters().contains("layer1.skip"));
}

}  // namespace
}  // namespace kaem::test
