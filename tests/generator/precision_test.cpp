// Generators in bfloat16: near float32, with float32 parameters, results and gradients.
#include <torch/csrc/autograd/autograd.h>

#include "generator/support.h"
#include "kaem/core/str.h"
#include "kaem/generator/generator.h"

namespace kaem::test {
namespace {

constexpr int64_t kLatent = 8, kRows = 12, kWords = 6;

GeneratorOptions options_of(const std::string& kind) {
  GeneratorOptions o;
  if (kind == "kan") o.widths = {kLatent, 20};
  if (kind == "cnn")
    o.cnn = {
        .use = true, .dims = {16, 12, 8}, .strides = {2, 2, 2, 2}, .kernels = {4, 4, 4, 4}, .paddings = {1, 1, 1, 1}};
  if (kind == "cnn with all") {
    o = options_of("cnn");
    o.cnn.batchnorm = o.cnn.latent_concat = o.cnn.residual = o.cnn.projection = true, o.cnn.dims = {16, 12};
    o.cnn.strides = {2, 2, 2}, o.cnn.kernels = {4, 4, 4}, o.cnn.paddings = {1, 1, 1};
  }
  if (kind == "sequence" || kind == "transformer")
    o.seq = {.sequence_length = kWords, .vocab_size = 15, .d_model = 32, .autoregressive = kind == "transformer"};
  return o;
}

DataShape shape_of(const GeneratorOptions& o) { return o.seq.use() ? DataShape{1, 1, kWords} : DataShape{1, 16, 16}; }

class GeneratorPrecision : public ::testing::TestWithParam<std::string> {
 protected:
  std::shared_ptr<Generator> make(const std::string& reduced) const {
    GeneratorOptions o = options_of(GetParam());
    o.precision.reduced = reduced;
    auto generator = make_generator(o, kLatent, shape_of(o), Rng(4));
    generator->eval();
    return generator;
  }
  at::Tensor latents() const { return (uniform({kRows, kLatent}, 1) * 2 - 1).to(at::kFloat); }
  at::Tensor data() const { return (uniform({kRows, kWords}, 2) * 15).floor().to(at::kFloat); }
};

double relative(const at::Tensor& got, const at::Tensor& want) {
  EXPECT_EQ(got.scalar_type(), at::kFloat);
  return ((got - want).norm() / want.norm()).item<double>();
}

/// Rounding to bfloat16 changes a number by up to 2^-9 of it; layers add up.
constexpr double kNear = 2e-2, kTrulyRounded = 1e-4;

TEST_P(GeneratorPrecision, IsNearFloat32AndRounded) {
  const auto full = make("FP32"), half = make("BF16");
  const torch::NoGradGuard no_grad;
  const double distance = relative(half->forward_given(latents(), data()), full->forward_given(latents(), data()));
  EXPECT_LT(distance, kNear);
  EXPECT_GT(distance, kTrulyRounded);
}

TEST_P(GeneratorPrecision, FrozenIsNearFloat32ForwardAndBack) {
  const auto full = make("FP32")->freeze(), half = make("BF16")->freeze();
  const at::Tensor u = latents(), x = data(), want = full->forward(u, x), got = half->forward(u, x);
  EXPECT_LT(relative(got, want), kNear);
  const at::Tensor pull = normal(want.sizes(), 3).to(at::kFloat);
  EXPECT_LT(relative(half->pullback(pull), full->pullback(pull)), 2 * kNear);
}

TEST_P(GeneratorPrecision, ParametersAndTheirGradientsStayFloat32) {
  const auto full = make("FP32"), half = make("BF16");
  for (const auto& generator : {full, half}) {
    generator->train();
    const at::Tensor made = generator->forward_given(latents(), data());
    (made * normal(made.sizes(), 5).to(at::kFloat)).sum().backward();
  }
  const auto want = full->named_parameters(), got = half->named_parameters();
  double greatest = 0;
  for (const auto& p : want) greatest = std::max(greatest, p.value().grad().norm().item<double>());
  for (const auto& p : want) {
    const at::Tensor parameter = got[p.key()];
    EXPECT_EQ(parameter.scalar_type(), at::kFloat) << p.key();
    const double error = (parameter.grad() - p.value().grad()).norm().item<double>();
    EXPECT_LT(error, 8 * kNear * p.value().grad().norm().item<double>() + 1e-3 * greatest) << p.key();
  }
}

std::string test_name(const ::testing::TestParamInfo<std::string>& info) {
  std::string name = info.param;
  std::replace(name.begin(), name.end(), ' ', '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(All, GeneratorPrecision,
                         ::testing::Values("kan", "cnn", "cnn with all", "sequence", "transformer"), test_name);

}  // namespace
}  // namespace kaem::test
