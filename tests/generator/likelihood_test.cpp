#include "kaem/generator/likelihood.h"

#include <torch/csrc/autograd/autograd.h>

#include <cmath>
#include <numbers>

#include "generator/support.h"
#include "kaem/core/error.h"
#include "kaem/generator/generator.h"

namespace kaem::test {
namespace {

constexpr int64_t kTemperatures = 2, kData = 3, kChains = 4, kSize = 12;  // kSize: numbers generated for a datum
constexpr int64_t kLength = 4, kVocabulary = 3;                           // kLength x kVocabulary = kSize

struct Case {
  std::string name;
  GeneratorOptions options;
  at::Tensor x;                                                           ///< [B,·]
  std::function<double(const at::Tensor& x, const at::Tensor& g)> log_p;  ///< plain formula for one datum
};

double gaussian(const at::Tensor& x, const at::Tensor& g, const std::string& activation, double sigma) {
  double sum = 0;
  for (int64_t d = 0; d < kSize; ++d) {
    const double v = g[d].item<double>();
    const double xhat = activation == "sigmoid" ? 1 / (1 + std::exp(-v))
                        : activation == "tanh"  ? (std::tanh(v) + 1) / 2
                                                : v;
    sum -= std::pow(x[d].item<double>() - xhat, 2) / (2 * sigma * sigma) +
           0.5 * std::log(2 * std::numbers::pi * sigma * sigma);
  }
  return sum;
}

double bernoulli(const at::Tensor& x, const at::Tensor& g) {
  double sum = 0;
  for (int64_t d = 0; d < kSize; ++d) {
    const double p = 1 / (1 + std::exp(-g[d].item<double>())), v = x[d].item<double>();
    sum += v * std::log(p) + (1 - v) * std::log(1 - p);
  }
  return sum;
}

double categorical(const at::Tensor& x, const at::Tensor& g) {
  double sum = 0;
  for (int64_t l = 0; l < kLength; ++l) {
    const auto word = x[l].item<int64_t>();
    if (word < 0) continue;
    double total = 0;
    for (int64_t v = 0; v < kVocabulary; ++v) total += std::exp(g[l * kVocabulary + v].item<double>());
    sum += g[l * kVocabulary + word].item<double>() - std::log(total);
  }
  return sum;
}

std::vector<Case> cases() {
  std::vector<Case> all;
  const at::Tensor x = uniform({kData, kSize}, 1);
  for (const std::string activation : {"sigmoid", "tanh", "identity"})
    for (const bool trained : {false, true}) {
      GeneratorOptions options;
      options.sigma = 0.4, options.output_activation = activation, options.sigma_trainable = trained;
      all.push_back({"gaussian " + activation, options, x,
                     [=](const at::Tensor& a, const at::Tensor& g) { return gaussian(a, g, activation, 0.4); }});
    }
  GeneratorOptions options;
  options.likelihood = "bernoulli";
  all.push_back({"bernoulli", options, x, bernoulli});
  options.likelihood = "categorical";
  options.seq.sequence_length = kLength, options.seq.vocab_size = kVocabulary;
  const at::Tensor words = torch::tensor({{0, 2, 1, 0}, {1, 1, -1, 2}, {-1, 0, 0, -1}}, at::kLong);
  all.push_back({"categorical", options, words, categorical});
  all.push_back({"categorical, indices as numbers", options, words.to(at::kDouble), categorical});
  return all;
}

std::shared_ptr<Likelihood> make(const Case& c) {
  auto likelihood = make_likelihood(c.options);
  likelihood->to(at::kDouble);
  // A learned σ starts as a float32 number.
  const torch::NoGradGuard no_grad;
  for (auto& p : likelihood->parameters()) p.fill_(std::log(c.options.sigma));
  return likelihood;
}

TEST(Likelihoods, AllPairsAreThePlainFormula) {
  const at::Tensor g = 2 * normal({5, kSize}, 2);
  for (const auto& c : cases()) {
    const at::Tensor got = make(c)->all_pairs(c.x, g);
    ASSERT_EQ(got.sizes(), (at::IntArrayRef{kData, 5})) << c.name;
    EXPECT_FALSE(got.requires_grad());
    for (int64_t b = 0; b < kData; ++b)
      for (int64_t s = 0; s < 5; ++s)
        EXPECT_NEAR(got[b][s].item<double>(), c.log_p(c.x[b], g[s]), 1e-10) << c.name << b << s;
  }
}

TEST(Likelihoods, OwnPairsAreThePlainFormulaWithItsGradient) {
  const at::Tensor g = 2 * normal({kTemperatures, kData, kChains, kSize}, 3);
  for (const auto& c : cases()) {
    const auto likelihood = make(c);
    const auto [value, gradient] = likelihood->value_and_gradient(c.x, g);
    ASSERT_EQ(value.sizes(), (at::IntArrayRef{kTemperatures, kData, kChains})) << c.name;
    ASSERT_EQ(gradient.sizes(), g.sizes()) << c.name;
    EXPECT_FALSE(value.requires_grad() || gradient.requires_grad());
    for (int64_t t = 0; t < kTemperatures; ++t)
      for (int64_t b = 0; b < kData; ++b)
        for (int64_t n = 0; n < kChains; ++n)
          EXPECT_NEAR(value[t][b][n].item<double>(), c.log_p(c.x[b], g[t][b][n]), 1e-10) << c.name;
    const auto f = [&](const at::Tensor& v) {
      return likelihood->value_and_gradient(c.x, v).first.sum().item<double>();
    };
    expect_gradient(f, g, gradient);
  }
}

/// Where x ~ p(x|g), the mean of p(x|h)/p(x|g) is 1 for any h. By the plain formulas, within 6 standard errors of 3,000
/// draws: false alarms 2e-9 each, as ratios of bounded spread are nearly Gaussian in the mean. Draws of another spread
/// or at another place are far from 1.
TEST(Likelihoods, DrawsHaveTheDensity) {
  constexpr int64_t kDraws = 3000;
  const at::Tensor g = normal({1, kSize}, 12), h = g + 0.12 * normal({1, kSize}, 13);
  for (const auto& c : cases()) {
    const at::Tensor x = make(c)->draw(g.expand({kDraws, kSize}), Rng(4), Stream::kTest, 0).to(at::kDouble);
    double sum = 0, squares = 0;
    for (int64_t i = 0; i < kDraws; ++i) {
      const double ratio = std::exp(c.log_p(x[i], h[0]) - c.log_p(x[i], g[0]));
      sum += ratio, squares += ratio * ratio;
    }
    const double mean = sum / kDraws, error = std::sqrt((squares / kDraws - mean * mean) / kDraws);
    EXPECT_LT(error, 0.05) << c.name;
    EXPECT_GT(error, 0) << c.name;
    EXPECT_LT(std::abs(mean - 1), 6 * error) << c.name;
  }
}

/// Checks value and gradients (generated and parameters) of a weighted sum against autograd on `direct`.
void expect_weighted(const Case& c, Likelihood& likelihood, const at::Tensor& g,
                     const std::function<at::Tensor(const at::Tensor&)>& weighted,
                     const std::function<at::Tensor(const at::Tensor&)>& direct) {
  const at::Tensor leaf = g.clone().requires_grad_();
  EXPECT_NEAR(weighted(leaf).item<double>(), direct(g).item<double>(), 1e-10) << c.name;
  const at::Tensor gradient = torch::autograd::grad({weighted(leaf)}, {leaf})[0];
  expect_gradient([&](const at::Tensor& v) { return direct(v).item<double>(); }, g, gradient);
  for (auto& p : likelihood.parameters()) {
    const at::Tensor of_parameter = torch::autograd::grad({weighted(leaf)}, {p})[0];
    const at::Tensor start = p.detach().clone();
    const auto f = [&](const at::Tensor& v) {
      p.data().copy_(v);
      return direct(g).item<double>();
    };
    expect_gradient(f, start, of_parameter);
    p.data().copy_(start);
  }
}

TEST(Likelihoods, WeightedAllPairsAreTheDirectSumAndItsGradient) {
  const at::Tensor g = 2 * normal({5, kSize}, 2), weight = uniform({kData, 5}, 4);
  for (const auto& c : cases()) {
    const auto likelihood = make(c);
    expect_weighted(
        c, *likelihood, g, [&](const at::Tensor& v) { return likelihood->weighted_all_pairs(weight, c.x, v); },
        [&](const at::Tensor& v) { return (weight * likelihood->all_pairs(c.x, v)).sum(1).mean(); });
  }
}

TEST(Likelihoods, WeightedOwnPairsAreTheDirectSumAndItsGradient) {
  const at::Tensor g = 2 * normal({kTemperatures, kData, kChains, kSize}, 3);
  const at::Tensor weight = uniform({kTemperatures, kData, kChains}, 5);
  for (const auto& c : cases()) {
    const auto likelihood = make(c);
    expect_weighted(
        c, *likelihood, g, [&](const at::Tensor& v) { return likelihood->weighted_own(weight, c.x, v); },
        [&](const at::Tensor& v) {
          return (weight * likelihood->value_and_gradient(c.x, v).first).sum() / static_cast<double>(kData);
        });
  }
}

TEST(Likelihoods, PositionsWithoutAWordCountNothing) {
  GeneratorOptions options;
  options.likelihood = "categorical", options.seq.sequence_length = kLength, options.seq.vocab_size = kVocabulary;
  const auto likelihood = make_likelihood(options);
  const at::Tensor nothing = torch::full({2, kLength}, -1, at::kLong), g = normal({1, 2, 3, kSize}, 1);
  const auto [value, gradient] = likelihood->value_and_gradient(nothing, g);
  EXPECT_EQ(largest(value), 0);
  EXPECT_EQ(largest(gradient), 0);
  EXPECT_EQ(largest(likelihood->all_pairs(nothing, g[0][0])), 0);
  EXPECT_NEAR(likelihood->activate(g).sum().item<double>(), 2 * 3 * kLength, 1e-10) << "probabilities";
}

TEST(Likelihoods, ConstantsAndRefusals) {
  GeneratorOptions options;
  options.likelihood = "bernoulli";
  EXPECT_EQ(make_likelihood(options)->constant(7).item<double>(), 0);
  options.output_activation = "tanh";
  EXPECT_THROW(make_likelihood(options), ConfigError);
  options.likelihood = "categorical";
  EXPECT_THROW(make_likelihood(options), ConfigError) << "no sequences";
  options.seq.sequence_length = kLength;
  EXPECT_EQ(make_likelihood(options)->constant(7).item<double>(), 0);
  options.likelihood = "gaussian";
  EXPECT_THROW(make_likelihood(options), ConfigError) << "sequences";
  options.likelihood = "poisson";
  EXPECT_THROW(make_likelihood(options), ConfigError);
}

}  // namespace
}  // namespace kaem::test
