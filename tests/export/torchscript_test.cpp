// Modules that were written and read again against the model itself, for every basis, prior and generator: the model's
// numbers come from fused kernels, the module's from TorchScript.
#include <gtest/gtest.h>
#include <torch/csrc/jit/serialization/import.h>

#include <cctype>
#include <functional>

#include "export/script.h"
#include "export/support.h"
#include "kaem/core/str.h"
#include "support/random_model.h"

namespace kaem::test {
namespace {

using at::Tensor;

struct ScriptCase {
  std::string name;
  ModelOptions options = small_options();
  DataShape shape = {1, 3, 4};
};

void PrintTo(const ScriptCase& c, std::ostream* out) { *out << c.name; }

ScriptCase with(const std::string& name, const std::function<void(ModelOptions&)>& change,
                DataShape shape = {1, 3, 4}) {
  ScriptCase c{name, small_options(), shape};
  change(c.options);
  return c;
}

void use_cnn(ModelOptions& o) {
  o.generator.cnn.use = true;
  o.generator.cnn.dims = {6, 5}, o.generator.cnn.strides = {1, 2, 2};
  o.generator.cnn.kernels = {3, 4, 4}, o.generator.cnn.paddings = {0, 1, 1};
}

std::vector<ScriptCase> cases() {
  std::vector<ScriptCase> list;
  for (const std::string& basis : basis_names())
    if (exports::has_script(make_basis_spec({.kind = basis}).kind)) list.push_back({basis, small_options(basis)});
  for (const int64_t degree : {0, 1, 2})
    list.push_back(with(str("BSplineOfDegree", degree), [&](ModelOptions& o) {
      o = small_options("B-spline");
      o.prior.basis.degree = o.generator.basis.degree = degree;
    }));
  for (const std::string& activation : ops::activation_names())
    list.push_back(with("Activation_" + activation, [&](ModelOptions& o) {
      o.prior.basis.activation = o.generator.basis.activation = activation;
    }));
  for (const char* reference : {"uniform", "gaussian", "lognormal", "learnable_gaussian"})
    list.push_back(with(reference, [&](ModelOptions& o) { o.prior.reference = reference; }));
  list.push_back(
      with("Mixture", [](ModelOptions& o) { o.prior.mixture.enabled = o.prior.mixture.train_proportions = true; }));
  list.push_back(with("TrainableKnots",
                      [](ModelOptions& o) { o.prior.basis.grid_trainable = o.generator.basis.grid_trainable = true; }));
  list.push_back(with("LayerNorm", [](ModelOptions& o) { o.generator.layernorm = true; }));
  list.push_back(with("Tanh", [](ModelOptions& o) { o.generator.output_activation = "tanh"; }));
  list.push_back(with("Identity", [](ModelOptions& o) { o.generator.output_activation = "identity"; }));
  list.push_back(with("Bernoulli", [](ModelOptions& o) { o.generator.likelihood = "bernoulli"; }));
  list.push_back(with("Cnn", use_cnn, {3, 12, 11}));
  list.push_back(with("CnnOfAllParts",
                      [](ModelOptions& o) {
                        use_cnn(o);
                        o.generator.cnn.batchnorm = o.generator.cnn.latent_concat = o.generator.cnn.residual = true;
                        o.generator.cnn.activation = "gelu";
                      },
                      {3, 12, 12}));
  list.push_back(
      with("CnnWithProjection",
           [](ModelOptions& o) {
             use_cnn(o);
             o.generator.cnn.projection = o.generator.cnn.residual = true;
             o.generator.cnn.kernels = {1, 4, 4}, o.generator.cnn.dims = {6, 6}, o.generator.cnn.leakyrelu_slope = 0.2;
             o.generator.cnn.init_spatial = 3;
           },
           {1, 12, 12}));
  return list;
}

/// A module of a run, written and read.
torch::jit::Module module_of(LoadedRun& run, std::string* said = nullptr) {
  const TemporaryFolder folder;
  exports::Options options;
  options.out = folder / "model.pt";
  const std::string text = exported(run, "torchscript", options);
  if (said != nullptr) *said = text;
  return torch::jit::load(options.out);
}

double largest_difference(const Tensor& a, const Tensor& b) {
  EXPECT_EQ(a.sizes(), b.sizes());
  return (a - b).abs().max().item<double>();
}

/// u [n, latent...]: spread over (0,1) and both of its ends.
Tensor uniforms_of(const Prior& prior, int64_t n) {
  std::vector<int64_t> shape = prior.latent_shape();
  shape.insert(shape.begin(), n);
  Tensor u = Rng(4).uniform(Stream::kTest, 70, shape, torch::kFloat);
  u.view(-1)[0] = 1.0 / (1 << 24), u.view(-1)[1] = 1 - 1.0 / (1 << 23);
  return u;
}

using Script = ::testing::TestWithParam<ScriptCase>;

TEST_P(Script, GivesTheModelsNumbersAtEveryBatchSize) {
  const torch::NoGradGuard no_grad;
  LoadedRun run = random_run(GetParam().options, GetParam().shape);
  torch::jit::Module module = module_of(run);
  const auto prior = run.model->prior->view();
  for (const int64_t n : {1, 7, 300}) {
    const Tensor u = uniforms_of(*run.model->prior, n), z = prior->distribution()->icdf(u);
    EXPECT_LT(largest_difference(module.get_method("sample_prior")({u}).toTensor(), z), 4e-6);
    const Tensor pictures = run.model->generate(z);
    if (n > 100) {
      EXPECT_GT(pictures.std().item<double>(), 1e-3) << "a model that says nothing is no test";
    }
    const Tensor made = module.get_method("generate")({z}).toTensor();
    const double scale = std::max(1.0, pictures.abs().max().item<double>());
    EXPECT_LT(largest_difference(made, pictures), 1e-5 * scale);
  }
  // So many that some differ also where most hidden values lie off the knots and a basis without a base branch is flat.
  const Tensor drawn = module.forward({int64_t{300}}).toTensor();
  EXPECT_EQ(drawn.sizes(), run.model->generate(prior->sample(300, Rng(1), Stream::kTest, 0)).sizes());
  EXPECT_GT(largest_difference(drawn, module.forward({int64_t{300}}).toTensor()), 0) << "its own random numbers";
}

INSTANTIATE_TEST_SUITE_P(Models, Script, ::testing::ValuesIn(cases()), [](const auto& info) {
  std::string name;
  for (const char c : info.param.name)
    if (std::isalnum(static_cast<unsigned char>(c)) != 0) name += c;
  return name;
});

TEST(ScriptModule, TheNineBasesOfTheFirstVersionHaveOne) {
  int64_t count = 0;
  for (const std::string& basis : basis_names()) count += exports::has_script(make_basis_spec({.kind = basis}).kind);
  EXPECT_GE(count, 9);
}

/// Draws of forward(n) have the prior's moments.
TEST(ScriptModule, DrawsFromThePrior) {
  const torch::NoGradGuard no_grad;
  LoadedRun run = random_run(small_options(), {1, 3, 4});
  torch::jit::Module module = module_of(run);
  const Tensor theirs = module.forward({int64_t{20000}}).toTensor().flatten(1);
  const Tensor ours = run.model->generate(run.model->prior->view()->sample(20000, Rng(2), Stream::kTest, 0)).flatten(1);
  const Tensor error = ((theirs.var(0) + ours.var(0)) / 20000).sqrt();
  EXPECT_LT(((theirs.mean(0) - ours.mean(0)) / error).abs().max().item<double>(), 5);
}

/// Components whose cells were refined have cells of their own number.
TEST(ScriptModule, ReadsRefinedTables) {
  const torch::NoGradGuard no_grad;
  LoadedRun run = random_run(small_options(), {1, 3, 4}, 0.1);
  layer_of(run.model->prior)->spline_weight.select(1, 1).mul_(30);
  const auto prior = run.model->prior->view();
  const Tensor& cells = prior->distribution()->table()->cells;
  ASSERT_GT(cells.max().item<int64_t>(), cells.min().item<int64_t>());
  const Tensor u = uniforms_of(*run.model->prior, 500);
  const Tensor z = module_of(run).get_method("sample_prior")({u}).toTensor();
  EXPECT_LT(largest_difference(prior->distribution()->cdf(z), u), 2e-6);
}

TEST(ScriptModule, ReconstructsFromPrincipalComponents) {
  const torch::NoGradGuard no_grad;
  LoadedRun run = random_run(small_options(), {1, 1, 6});
  const Rng rng(3);
  run.pca = std::make_shared<Pca>(Pca{{3, 2, 4},
                                      rng.normal(Stream::kTest, 0, {24}, torch::kFloat),
                                      rng.normal(Stream::kTest, 1, {6, 24}, torch::kFloat),
                                      0.9});
  const Tensor z = run.model->prior->view()->sample(5, rng, Stream::kTest, 2);
  const Tensor made = module_of(run).get_method("generate")({z}).toTensor();
  EXPECT_LT(largest_difference(made, run.to_images(run.model->generate(z))), 1e-5);
}

TEST(ScriptModule, DeepPriorsGenerateOnly) {
  const torch::NoGradGuard no_grad;
  ModelOptions options = small_options();
  options.prior.layer_widths = {3, 4, 2};
  LoadedRun run = random_run(options, {1, 3, 4});
  std::string said;
  torch::jit::Module module = module_of(run, &said);
  EXPECT_NE(said.find("deep prior"), std::string::npos) << said;
  EXPECT_FALSE(module.find_method("forward") || module.find_method("sample_prior"));
  const Tensor z = run.model->prior->view()->sample(6, Rng(1), Stream::kTest, 0);
  EXPECT_LT(largest_difference(module.get_method("generate")({z}).toTensor(), run.model->generate(z)), 1e-5);
}

ModelOptions text_options(bool autoregressive, double temperature) {
  ModelOptions options = small_options();
  options.generator.likelihood = "categorical";
  options.generator.seq.sequence_length = 5, options.generator.seq.vocab_size = 7;
  options.generator.seq.d_model = autoregressive ? 64 : 12;
  options.generator.seq.autoregressive = autoregressive, options.generator.seq.temperature = temperature;
  return options;
}

/// The words that the model draws with the same uniforms.
void expect_same_words(LoadedRun& run, torch::jit::Module& module) {
  const Rng rng(5);
  const Tensor z = run.model->prior->view()->sample(200, rng, Stream::kTest, 0);
  const Tensor uniforms = rng.uniform(Stream::kTest, 6, {200, 5}, torch::kFloat);
  const Tensor ours = run.model->generate_sequences(z, rng, Stream::kTest, 6);
  const Tensor theirs = module.get_method("sample_words")({z, uniforms}).toTensor();
  EXPECT_GT(std::get<0>(at::_unique(ours)).numel(), 2);
  // Rounding may decide a word whose uniform lies on the edge, and those behind it.
  EXPECT_GT((ours == theirs).all(1).sum().item<int64_t>(), 198);
  EXPECT_EQ(module.forward({int64_t{4}}).toTensor().sizes(), at::IntArrayRef({4, 5}));
}

TEST(ScriptModule, WordsThatAreIndependent) {
  const torch::NoGradGuard no_grad;
  for (const double temperature : {1.0, 0.3, 0.0}) {
    LoadedRun run = random_run(text_options(false, temperature), {1, 1, 5});
    run.vocabulary = {"<unk>", "<eos>", "a", "b", "c", "d", "e"};
    torch::jit::Module module = module_of(run);
    expect_same_words(run, module);
    const Tensor z = run.model->prior->view()->sample(9, Rng(5), Stream::kTest, 0);
    const Tensor logits = run.model->generate_raw(z).reshape({9, 5, 7});
    EXPECT_LT(largest_difference(module.get_method("generate")({z}).toTensor(), logits.softmax(-1)), 1e-5);
  }
}

TEST(ScriptModule, WordsOfATransformer) {
  const torch::NoGradGuard no_grad;
  for (const double temperature : {1.0, 0.0}) {
    LoadedRun run = random_run(text_options(true, temperature), {1, 1, 5});
    torch::jit::Module module = module_of(run);
    expect_same_words(run, module);
    const Tensor z = run.model->prior->view()->sample(9, Rng(5), Stream::kTest, 0);
    Tensor words = at::arange(45, torch::kLong).reshape({9, 5}) % 7;
    words[3][2] = -1;
    const Tensor logits = run.model->generator->forward_given(run.model->prior->features(z), words).reshape({9, 5, 7});
    EXPECT_LT(largest_difference(module.get_method("log_probabilities")({z, words}).toTensor(), logits.log_softmax(-1)),
              2e-5);
  }
}

}  // namespace
}  // namespace kaem::test
