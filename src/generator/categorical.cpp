#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include "generator/likelihoods.h"
#include "kaem/generator/generator.h"

namespace kaem {
namespace {

using at::Tensor;

/// Word indices and which of them count: those below 0 mark positions without a word.
struct Words {
  explicit Words(const Tensor& x) {
    const Tensor given = x.to(at::kLong);
    counts = given >= 0;
    index = given.clamp_min(0);
  }
  Tensor index, counts;  ///< [B,L] int64, bool
};

/// log p(x|g) = Σ_l log softmax(g_l)[x_l], g [L,V] logits.
struct CategoricalLikelihood : Likelihood {
  explicit CategoricalLikelihood(const SeqOptions& options)
      : length(options.sequence_length), vocabulary(options.vocab_size) {}

  /// Probabilities of the words.
  Tensor activate(const Tensor& generated) const override { return split(generated).softmax(-1).flatten(-2); }

  Tensor draw(const Tensor& generated, const Rng& rng, Stream stream, int64_t step) const override {
    const c10::AutoGradMode no_grad(false);
    const Tensor cdf = split(generated).to(at::kDouble).softmax(-1).cumsum(-1);  // [n,L,V]
    const Tensor u = rng.uniform(stream, step, cdf.sizes().slice(0, 2), cdf.options()).unsqueeze(-1);
    return (cdf < u).sum(-1).clamp_max(vocabulary - 1).to(at::kInt);
  }

  Tensor all_pairs(const Tensor& x, const Tensor& generated) const override {
    const c10::AutoGradMode no_grad(false);
    const Words words(x);
    const Tensor table = log_probabilities(generated);
    Tensor sum = at::zeros({x.size(0), generated.size(0)}, generated.options());
    for (int64_t l = 0; l < length; ++l)
      sum.addcmul_(table[l].index_select(0, words.index.select(1, l)), mask(words, l, sum).unsqueeze(1));
    return sum;
  }

  std::pair<Tensor, Tensor> value_and_gradient(const Tensor& x, const Tensor& generated) const override {
    const c10::AutoGradMode no_grad(false);
    const Words words(x);
    const Tensor log_p = split(generated).log_softmax(-1);  // [T,B,N,L,V]
    const Tensor index = own_index(words, log_p),
                 counts = words.counts.unsqueeze(1).to(log_p.scalar_type());  // [B,1,L]
    const Tensor value = (log_p.gather(-1, index).squeeze(-1) * counts).sum(-1);
    Tensor gradient = log_p.exp().neg_();
    gradient.scatter_add_(-1, index, at::ones_like(index, log_p.options()));
    return {value, gradient.mul_(counts.unsqueeze(-1)).flatten(-2)};
  }

  Tensor weighted_all_pairs(const Tensor& weight, const Tensor& x, const Tensor& generated) const override {
    const Words words(x);
    const Tensor table = log_probabilities(generated);
    // Σ_b w_bs over the data that have word v at position l: the factor of log p[l,v,s].
    Tensor factor = at::zeros(table.sizes(), table.options());
    const Tensor given = weight.detach();
    for (int64_t l = 0; l < length; ++l)
      factor[l].index_add_(0, words.index.select(1, l), given * mask(words, l, given).unsqueeze(1));
    return (factor * table).sum() / static_cast<double>(x.size(0));
  }

  Tensor weighted_own(const Tensor& weight, const Tensor& x, const Tensor& generated) const override {
    const Words words(x);
    const Tensor log_p = split(generated).log_softmax(-1);
    const Tensor own = log_p.gather(-1, own_index(words, log_p)).squeeze(-1) * words.counts.unsqueeze(1);
    return (weight * own.sum(-1)).sum() / static_cast<double>(x.size(0));
  }

  Tensor mean_words(const Tensor& x) const override { return (x >= 0).sum() / static_cast<double>(x.size(0)); }

  const int64_t length, vocabulary;

 private:
  Tensor split(const Tensor& generated) const { return generated.unflatten(-1, {length, vocabulary}); }
  /// [S,L·V] -> [L,V,S]: the words of one position are rows.
  Tensor log_probabilities(const Tensor& generated) const {
    return split(generated).log_softmax(-1).permute({1, 2, 0}).contiguous();
  }
  /// Index into [T,B,N,L,V].
  static Tensor own_index(const Words& words, const Tensor& log_p) {
    const Tensor index = words.index.reshape({1, words.index.size(0), 1, words.index.size(1), 1});
    return index.expand({log_p.size(0), -1, log_p.size(2), -1, -1});
  }
  static Tensor mask(const Words& words, int64_t l, const Tensor& like) {
    return words.counts.select(1, l).to(like.scalar_type());
  }
};

}  // namespace

std::shared_ptr<Likelihood> make_categorical_likelihood(const GeneratorOptions& options) {
  return std::make_shared<CategoricalLikelihood>(options.seq);
}

}  // namespace kaem
