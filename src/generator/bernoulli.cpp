#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include "generator/likelihoods.h"
#include "kaem/core/error.h"
#include "kaem/core/str.h"
#include "kaem/core/table.h"
#include "kaem/generator/generator.h"

namespace kaem {
namespace {

using at::Tensor;

/// log p(x|g) = Σ_d x_d g_d - log(1 + exp g_d), g logits. Grey values x in (0,1) count as probabilities of a bit.
struct BernoulliLikelihood : Likelihood {
  Tensor activate(const Tensor& generated) const override { return at::sigmoid(generated); }

  Tensor draw(const Tensor& generated, const Rng& rng, Stream stream, int64_t step) const override {
    const c10::AutoGradMode no_grad(false);
    const Tensor u = rng.uniform(stream, step, generated.sizes(), generated.options());
    return (u < at::sigmoid(generated)).to(generated.scalar_type());
  }

  Tensor all_pairs(const Tensor& x, const Tensor& generated) const override {
    const c10::AutoGradMode no_grad(false);
    return ops::product(x, generated.t()) - at::softplus(generated).sum(1);
  }

  std::pair<Tensor, Tensor> value_and_gradient(const Tensor& x, const Tensor& generated) const override {
    const c10::AutoGradMode no_grad(false);
    return {own_pairs(x, generated), x.unsqueeze(1) - at::sigmoid(generated)};
  }

  Tensor weighted_all_pairs(const Tensor& weight, const Tensor& x, const Tensor& generated) const override {
    const Tensor linear = (ops::product(weight.t(), x) * generated).sum();
    return (linear - (weight.sum(0) * at::softplus(generated).sum(1)).sum()) / static_cast<double>(x.size(0));
  }

  Tensor weighted_own(const Tensor& weight, const Tensor& x, const Tensor& generated) const override {
    return (weight * own_pairs(x, generated)).sum() / static_cast<double>(x.size(0));
  }

 private:
  static Tensor own_pairs(const Tensor& x, const Tensor& generated) {
    return (x.unsqueeze(1) * generated - at::softplus(generated)).sum(-1);
  }
};

}  // namespace

std::shared_ptr<Likelihood> make_bernoulli_likelihood(const GeneratorOptions& options) {
  if (!same_name(options.output_activation, "sigmoid"))
    throw ConfigError(str("[GeneratorModel] output_activation = ", options.output_activation,
                          ": likelihood = bernoulli needs sigmoid"));
  return std::make_shared<BernoulliLikelihood>();
}

}  // namespace kaem
