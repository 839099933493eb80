#include "kaem/generator/likelihood.h"

#include <ATen/ATen.h>

#include <array>

#include "generator/likelihoods.h"
#include "kaem/core/error.h"
#include "kaem/core/str.h"
#include "kaem/core/table.h"
#include "kaem/generator/generator.h"

namespace kaem {
namespace {

using at::Tensor;
using MakeLikelihood = std::shared_ptr<Likelihood> (*)(const GeneratorOptions&);
constexpr auto kLikelihoods = std::to_array<Named<MakeLikelihood>>({{"gaussian", make_gaussian_likelihood},
                                                                    {"bernoulli", make_bernoulli_likelihood},
                                                                    {"categorical", make_categorical_likelihood}});

}  // namespace

Tensor Likelihood::constant(int64_t) const { return at::zeros({}); }
Tensor Likelihood::mean_words(const Tensor&) const { return {}; }

Tensor squared_distances(const Tensor& x, const Tensor& xhat) {
  const Tensor x_norm = x.square().sum(1, true), xhat_norm = xhat.square().sum(1).unsqueeze(0);
  // Cancellation can leave a small negative number where x and x̂ are equal.
  return at::add(x_norm + xhat_norm, ops::product(x, xhat.t()), /*alpha=*/-2).clamp_min(0);
}

std::shared_ptr<Likelihood> make_likelihood(const GeneratorOptions& options) {
  const auto make = find(kLikelihoods, "likelihood", options.likelihood);
  if ((make == make_categorical_likelihood) != options.seq.use())
    throw ConfigError(str("[GeneratorModel] likelihood = ", options.likelihood, ": ",
                          options.seq.use() ? "sequences of words ([SEQ] sequence_length > 0) need categorical"
                                            : "needs sequences of words ([SEQ] sequence_length > 0)"));
  return make(options);
}

}  // namespace kaem
