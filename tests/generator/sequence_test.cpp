#include <torch/csrc/autograd/autograd.h>

#include <set>

#include "generator/support.h"
#include "kaem/core/error.h"
#include "kaem/generator/generator.h"
#include "kaem/model/model.h"
#include "kaem/posterior/posterior.h"

namespace kaem::test {
namespace {

constexpr int64_t kLatent = 3, kLength = 6, kVocabulary = 5, kRows = 4;

GeneratorOptions options_of(bool autoregressive, double temperature = 1) {
  GeneratorOptions options;
  options.likelihood = "categorical";
  options.seq = {.sequence_length = kLength,
                 .vocab_size = kVocabulary,
                 .d_model = 64,  // two heads
                 .activation = "silu",
                 .autoregressive = autoregressive,
                 .temperature = temperature};
  return options;
}

std::shared_ptr<Generator> make(const GeneratorOptions& options) {
  auto generator = make_generator(options, kLatent, {1, 1, kLength}, Rng(1));
  generator->to(at::kDouble);
  generator->eval();
  return generator;
}

at::Tensor latents() { return normal({kRows, kLatent}, 0); }
at::Tensor words() { return (uniform({kRows, kLength}, 1) * kVocabulary).floor().to(at::kLong); }
at::Tensor logits_of(Generator& generator, const at::Tensor& u, const at::Tensor& x) {
  return generator.forward_given(u, x).reshape({u.size(0), kLength, kVocabulary});
}

TEST(Sequence, ShapesAndGradients) {
  for (const bool autoregressive : {false, true}) {
    const auto generator = make(options_of(autoregressive));
    EXPECT_EQ(generator->autoregressive(), autoregressive);
    EXPECT_FALSE(generator->depends_on_batch());
    const at::Tensor x = words();
    x[0][2] = -1;  // no word
    const at::Tensor logits = generator->forward_given(latents(), x);
    EXPECT_EQ(logits.sizes(), (at::IntArrayRef{kRows, kLength * kVocabulary}));
    logits.square().sum().backward();
    for (const auto& p : generator->named_parameters()) EXPECT_GT(largest(p.value().grad()), 0) << p.key();
    const auto sampled = generator->sample_sequence(latents(), Rng(1), Stream::kSample, 0);
    EXPECT_EQ(sampled.sizes(), (at::IntArrayRef{kRows, kLength}));
    EXPECT_EQ(sampled.scalar_type(), at::kLong);
    EXPECT_TRUE((sampled >= 0).all().item<bool>() && (sampled < kVocabulary).all().item<bool>());
  }
}

TEST(Sequence, AFrozenCopyIsTheNetworkAndPullsBackItsGradient) {
  const at::Tensor u = latents(), x = words(), grad = normal({kRows, kLength * kVocabulary}, 2);
  for (const bool autoregressive : {false, true}) {
    const auto generator = make(options_of(autoregressive));
    const auto frozen = generator->freeze();
    const at::Tensor out = frozen->forward(u, x);
    EXPECT_FALSE(out.requires_grad());
    EXPECT_LE(largest(out - generator->forward_given(u, x)), 1e-12);
    const at::Tensor pulled = frozen->pullback(grad), leaf = u.clone().requires_grad_();
    const at::Tensor expected = torch::autograd::grad({generator->forward_given(leaf, x)}, {leaf}, {grad})[0];
    EXPECT_LE(largest(pulled - expected), 1e-12 * (1 + largest(expected)));
    expect_gradient([&](const at::Tensor& v) { return (frozen->forward(v, x) * grad).sum().item<double>(); }, u,
                    pulled);
  }
}

TEST(Sequence, IndependentWordsIgnoreTheData) {
  const auto generator = make(options_of(false));
  EXPECT_TRUE(torch::equal(generator->forward(latents()), generator->forward_given(latents(), words())));
}

TEST(Transformer, APositionSeesOnlyTheWordsBeforeIt) {
  const auto generator = make(options_of(true));
  const at::Tensor u = latents(), x = words(), before = logits_of(*generator, u, x);
  for (int64_t l = 0; l < kLength; ++l) {
    at::Tensor changed = x.clone();
    changed.select(1, l).add_(1).remainder_(kVocabulary);
    const at::Tensor difference = (logits_of(*generator, u, changed) - before).abs().amax({0, 2});
    EXPECT_EQ(largest(difference.slice(0, 0, l + 1)), 0) << "word " << l;
    for (int64_t later = l + 1; later < kLength; ++later) EXPECT_GT(difference[later].item<double>(), 1e-6);
  }
  const at::Tensor moved = (logits_of(*generator, u + 1, x) - before).abs().amax({0, 2});
  EXPECT_GT(moved.min().item<double>(), 1e-6) << "every position sees the latent";
}

// Many rows, as a word changes only where a wrong cache moves the logits past another one.
TEST(Transformer, TheCacheChangesNothing) {
  constexpr int64_t kMany = 300;
  const torch::NoGradGuard no_grad;
  const at::Tensor u = normal({kMany, kLatent}, 0);
  const at::Tensor uniforms = Rng(1).uniform(Stream::kSample, 0, {kMany, kLength}, at::kDouble);
  for (const double temperature : {0.0, 1.0}) {
    const auto generator = make(options_of(true, temperature));
    const at::Tensor cached = generator->sample_sequence(u, Rng(1), Stream::kSample, 0);
    const at::Tensor x = torch::zeros({kMany, kLength}, at::kLong);
    for (int64_t l = 0; l < kLength; ++l) {
      const at::Tensor logits = logits_of(*generator, u, x).select(1, l);
      const at::Tensor running = logits.softmax(-1).cumsum(-1);
      x.select(1, l).copy_(temperature > 0 ? (running < uniforms.slice(1, l, l + 1)).sum(-1) : logits.argmax(-1));
    }
    EXPECT_TRUE(torch::equal(cached, x)) << (cached != x).sum().item<int64_t>() << " words differ";
  }
}

TEST(Sequence, DrawsDoNotDependOnTheOtherRows) {
  for (const bool autoregressive : {false, true}) {
    const auto generator = make(options_of(autoregressive));
    const at::Tensor all = generator->sample_sequence(latents(), Rng(1), Stream::kSample, 7);
    const at::Tensor two = generator->sample_sequence(latents().slice(0, 0, 2), Rng(1), Stream::kSample, 7);
    EXPECT_TRUE(torch::equal(all.slice(0, 0, 2), two));
    EXPECT_FALSE(torch::equal(all, generator->sample_sequence(latents(), Rng(1), Stream::kSample, 8)));
  }
}

// Relative frequencies of the last of `length` words given the words before it against the model's probabilities:
// 20,000 draws of one latent; |difference| below 6 standard deviations for at most 2·25·5 numbers: false-alarm rate
// 1e-6.
TEST(Sequence, WordsAreDrawnFromTheirProbabilities) {
  constexpr int64_t kDraws = 20'000;
  const torch::NoGradGuard no_grad;
  for (const double temperature : {1.0, 0.5})
    for (const bool autoregressive : {false, true}) {
      GeneratorOptions options = options_of(autoregressive, temperature);
      options.seq.sequence_length = 2;
      const auto generator = make_generator(options, kLatent, {1, 1, 2}, Rng(1));
      const at::Tensor u = (0.3 * normal({1, kLatent}, 3)).to(at::kFloat).expand({kDraws, kLatent});
      const at::Tensor drawn = generator->sample_sequence(u, Rng(5), Stream::kSample, 0);
      const at::Tensor logits = generator->forward_given(u, drawn).reshape({kDraws, 2, kVocabulary}).to(at::kDouble);
      const at::Tensor p = (logits / temperature).softmax(-1);
      for (int64_t first = 0; first < kVocabulary; ++first) {
        const at::Tensor rows = (drawn.select(1, 0) == first).nonzero().squeeze(1);
        const auto n = static_cast<double>(rows.size(0));
        const double p_first = p[0][0][first].item<double>();
        EXPECT_LE(std::abs(n / kDraws - p_first), 6 * std::sqrt(p_first * (1 - p_first) / kDraws)) << first;
        if (n < 1000) continue;
        const at::Tensor second = drawn.select(1, 1).index_select(0, rows), p_second = p[rows[0].item<int64_t>()][1];
        const at::Tensor share = at::bincount(second, {}, kVocabulary).to(at::kDouble) / n;
        const at::Tensor error = (share - p_second).abs() / (p_second * (1 - p_second) / n).sqrt();
        EXPECT_LE(largest(error), 6) << temperature << autoregressive << first;
      }
    }
}

TEST(Sequence, NamesOfTheStateAreStable) {
  std::set<std::string> names, wanted = {"latent.weight", "latent.bias", "position",    "words",
                                         "norm.weight",   "norm.bias",   "head.weight", "head.bias"};
  for (const auto& p : make(options_of(true))->named_parameters()) names.insert(p.key());
  for (const char* block : {"block0.", "block1."})
    for (const char* part : {"attention_norm", "qkv", "out", "dense_norm", "up", "down"})
      for (const char* tensor : {".weight", ".bias"}) wanted.insert(std::string(block) + part + tensor);
  EXPECT_EQ(names, wanted);
  names.clear();
  for (const auto& p : make(options_of(false))->named_parameters()) names.insert(p.key());
  EXPECT_EQ(names, (std::set<std::string>{"latent.weight", "latent.bias", "position", "head.weight", "head.bias"}));
}

TEST(Sequence, RefusesWhatCannotBe) {
  EXPECT_THROW(make_generator(options_of(false), kLatent, {1, 1, kLength + 1}, Rng(1)), ConfigError);
  GeneratorOptions options = options_of(true);
  options.seq.d_model = 48;
  EXPECT_THROW(make(options), ConfigError) << "heads of 32";
  options.cnn.use = true;
  EXPECT_THROW(make(options), ConfigError);
  GeneratorOptions images;
  images.widths = {kLatent};
  const auto generator = make_generator(images, kLatent, {1, 2, 2}, Rng(1));
  EXPECT_THROW(generator->sample_sequence(latents(), Rng(1), Stream::kSample, 0), Error);
}

Model small_model(bool autoregressive) {
  ModelOptions options;
  options.prior.layer_widths = {2, kLatent};
  options.generator = options_of(autoregressive);
  return Model(options, DataShape{1, 1, kLength}, Rng(1));
}

TEST(Sequence, ModelsOfTextTrainByImportanceSamplingUnlessAutoregressive) {
  Model model = small_model(false);
  const at::Tensor x = words();
  const auto posterior = make_posterior({.samples = 7, .resampler = "none"}, *model, {}, Rng(1));
  const Particles particles = posterior->sample(model->view(), {x, {}}, 0, Rng(1));
  EXPECT_TRUE(particles.info.log_evidence.isfinite().all().item<bool>());
  const at::Tensor drawn = model->generate_sequences(particles.weighted->z[0], Rng(1), Stream::kSample, 0);
  EXPECT_EQ(drawn.sizes(), (at::IntArrayRef{7, kLength}));
  Model causal = small_model(true);
  EXPECT_THROW(posterior->sample(causal->view(), {x, {}}, 0, Rng(1)), ConfigError);
  EXPECT_EQ(causal->generate_for_training(particles.weighted->z[0].slice(0, 0, kRows), x).size(0), kRows);
}

}  // namespace
}  // namespace kaem::test
