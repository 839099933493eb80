#include "kaem/posterior/target.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <array>
#include <vector>

#include "kaem/core/error.h"
#include "kaem/core/versions.h"
#include "kaem/model/model.h"
#include "kaem/prior/prior.h"

namespace kaem {
namespace {

using at::Tensor;
using mcmc::flatten_chains;
using mcmc::unflatten_chains;

using View = std::shared_ptr<const PriorView>;

mcmc::LogDensity prior_density(const View& prior) {
  return [prior](const Tensor& z, mcmc::Want want) {
    const c10::AutoGradMode no_grad(false);
    const auto chains = z.sizes().slice(0, 3);
    const Tensor rows = flatten_chains(z);
    mcmc::Value value;
    value.gradient = unflatten_chains(prior->score(rows), chains);
    if (want == mcmc::Want::kBoth) value.log_density = unflatten_chains(prior->log_prob(rows), chains);
    return value;
  };
}

/// Each chain's own datum as rows, for autoregressive generators alone.
Tensor rows_of_data(const ModelImpl& model, const Tensor& x, at::IntArrayRef chains) {
  if (!model.generator->autoregressive()) return {};
  return flatten_chains(x.unsqueeze(0).unsqueeze(2).expand({chains[0], chains[1], chains[2], x.size(1)}));
}

mcmc::LogDensity likelihood_density(ModelImpl& model, const Tensor& x, bool with_perceptual) {
  const std::shared_ptr<FrozenGenerator> frozen = model.generator->freeze();
  const Versions versions(model.generator->parameters());
  return [&model, x, frozen, versions, with_perceptual](const Tensor& z, mcmc::Want want) {
    if (!versions.current())
      throw Error("a frozen generator was used after its parameters had changed; an update makes its own");
    const c10::AutoGradMode no_grad(false);
    const auto chains = z.sizes().slice(0, 3);
    const Tensor u = model.prior->features(flatten_chains(z));
    const Tensor generated = unflatten_chains(frozen->forward(u, rows_of_data(model, x, chains)), chains);
    auto [value, gradient] = model.likelihood->value_and_gradient(x, generated);
    if (with_perceptual && model.perceptual) {
      const auto [term, term_gradient] = model.perceptual->value_and_gradient(*model.likelihood, x, generated);
      value = value + term, gradient = gradient + term_gradient;
    }
    if (want == mcmc::Want::kValue) return mcmc::Value{value, {}};
    const Tensor pulled = model.prior->features_pullback(frozen->pullback(flatten_chains(gradient)));
    return mcmc::Value{value, unflatten_chains(pulled, chains)};
  };
}

mcmc::Whitening prior_whitening(const View& prior) {
  const WhiteCoordinates* const white = prior->white();
  if (white == nullptr) return {};
  mcmc::Whitening whitening;
  whitening.to_latent = [prior, white](const Tensor& y) {
    const auto chains = y.sizes().slice(0, 3);
    const auto [z, slope] = white->to_latent(flatten_chains(y));
    return std::pair(unflatten_chains(z, chains), unflatten_chains(slope, chains));
  };
  whitening.to_white = [prior, white](const Tensor& z) {
    return unflatten_chains(white->to_white(flatten_chains(z)), z.sizes().slice(0, 3));
  };
  if (prior->tilted() != nullptr)
    whitening.residual = [prior, white](const Tensor& z, mcmc::Want) {
      const auto chains = z.sizes().slice(0, 3);
      const auto [value, gradient] = white->residual(flatten_chains(z));
      return mcmc::Value{unflatten_chains(value, chains), unflatten_chains(gradient, chains)};
    };
  return whitening;
}

}  // namespace

mcmc::Target posterior_target(const ModelView& view, const Tensor& x, const Tensor& temperature, bool with_perceptual) {
  const auto [lower, upper] = view.model.prior->domain();
  return {.prior = prior_density(view.prior),
          .likelihood = likelihood_density(view.model, x, with_perceptual),
          .temperature = temperature,
          .lower = lower,
          .upper = upper,
          .whitening = prior_whitening(view.prior)};
}

Tensor prior_chains(const PriorView& prior, at::IntArrayRef chains, const Rng& rng, Stream stream, int64_t step,
                    int64_t first_row) {
  const auto [levels, data, each] = std::array{chains[0], rng.all_rows(chains[1]), chains[2]};
  const int64_t all = levels * data * each;
  if (!rng.rows().is_part()) return unflatten_chains(prior.sample(all, rng, stream, step, first_row), chains);
  std::vector<Tensor> parts;
  for (int64_t t = 0; t < levels; ++t)
    parts.push_back(
        prior.sample_part(chains[1] * each, (t * data + rng.rows().first) * each, all, rng, stream, step, first_row));
  return unflatten_chains(at::cat(parts), chains);
}

Tensor prior_deviations(const PriorView& prior, const Rng& rng, int64_t step) {
  constexpr int64_t kDraws = 64;
  return prior.sample(kDraws, rng, Stream::kScale, step).std(0);
}

Tensor prior_scales(const PriorView& prior, const Rng& rng, int64_t step) {
  const Tensor scale = prior_deviations(prior, rng, step);
  return scale / scale.mean();
}

}  // namespace kaem
