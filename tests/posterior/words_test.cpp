// Encoders of words.
#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/types.h>

#include "kaem/core/error.h"
#include "kaem/posterior/encoder.h"

namespace kaem::test {
namespace {

constexpr int64_t kLength = 5, kVocabulary = 7;

Model word_model() {
  ModelOptions options;
  options.prior.layer_widths = {2, 3};
  options.generator.likelihood = "categorical";
  options.generator.seq = {.sequence_length = kLength, .vocab_size = kVocabulary, .d_model = 4};
  return Model(options, DataShape{1, 1, kLength}, Rng(1));
}

at::Tensor two_sentences() {
  return at::tensor({2.0f, 3.0f, 1.0f, -1.0f, -1.0f, 3.0f, 2.0f, 1.0f, -1.0f, -1.0f}).view({2, kLength});
}

TEST(EncoderOfWords, SeesWordsAndTheirOrderButNoPadding) {
  const torch::NoGradGuard no_grad;
  Model model = word_model();
  Encoder encoder(EncoderOptions{.widths = {8}, .activation = "silu"}, *model, Rng(1));
  const at::Tensor x = two_sentences(), mean = encoder->moments(x).first;
  EXPECT_EQ(mean.sizes(), (at::IntArrayRef{2, 3, 2}));
  EXPECT_GT((mean[0] - mean[1]).abs().max().item<double>(), 1e-4) << "the order of the words";
  at::Tensor other = x.clone();
  other[0][3] = -7;
  EXPECT_TRUE(at::equal(encoder->moments(other).first, mean)) << "what stands behind the end";
  other[0][3] = 4;
  EXPECT_FALSE(at::equal(encoder->moments(other).first[0], mean[0])) << "one word more";
  EXPECT_TRUE(encoder->moments(at::full({1, kLength}, -1.0f)).first.isfinite().all().item<bool>());
}

TEST(EncoderOfWords, EveryParameterIsTrained) {
  Model model = word_model();
  Encoder encoder(EncoderOptions{.widths = {8}, .activation = "silu"}, *model, Rng(1));
  const auto [z, log_q] = encoder->sample(two_sentences(), Rng(1).normal(Stream::kTest, 0, {2, 1, 3, 2}));
  (z.square().sum() + log_q.sum()).backward();
  for (const auto& p : encoder->named_parameters())
    EXPECT_GT(p.value().grad().abs().max().item<double>(), 0) << p.key();
  EXPECT_EQ(encoder->named_parameters()["word"].grad()[5].abs().sum().item<double>(), 0) << "a word that is not there";
}

TEST(EncoderOfWords, WordsAreNoImage) {
  Model model = word_model();
  EXPECT_THROW(Encoder(EncoderOptions{.type = "cnn"}, *model, Rng(1)), ConfigError);
}

}  // namespace
}  // namespace kaem::test
