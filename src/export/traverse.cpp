#include "kaem/export/traverse.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "kaem/export/draws.h"
#include "kaem/prior/prior.h"

namespace kaem::exports {
namespace {

using at::Tensor;

constexpr double kLow = 0.05, kHigh = 0.95;
constexpr int64_t kQuantileDraws = 2000;  // of priors without distribution functions
constexpr int64_t kPicturesAtOnce = 512;  // pictures

/// Every latent of z [n, latent...] once for each of components int64 [C], in which that component has the value
/// [C]: [n·C, latent...], a draw's side by side.
Tensor with_component(const Tensor& z, const Tensor& components, const Tensor& value) {
  const int64_t n = z.size(0), count = components.size(0);
  Tensor all = z.flatten(1).unsqueeze(1).repeat({1, count, 1});
  all.scatter_(2, components.reshape({1, count, 1}).expand({n, count, 1}),
               value.to(all.options()).reshape({1, count, 1}).expand({n, count, 1}));
  std::vector<int64_t> shape = z.sizes().vec();
  shape[0] = n * count;
  return all.reshape(shape);
}

Tensor pictures_of(LoadedRun& run, const Tensor& z) { return run.to_images(run.model->generate(z)).flatten(1); }

/// Rows of latents that quantiles are taken of, where the prior has no distribution functions.
Tensor draws_for_quantiles(const PriorView& prior, const Rng& rng) {
  return prior.distribution() != nullptr ? Tensor() : prior.sample(kQuantileDraws, rng, Stream::kEvaluate, 0);
}

int64_t size_of(const LoadedRun& run) {
  int64_t size = 1;
  for (const int64_t axis : run.model->prior->latent_shape()) size *= axis;
  return size;
}

}  // namespace

Tensor quantiles(const LoadedRun& run, const PriorView& prior, const Tensor& draws, const Tensor& u,
                 const Tensor& components) {
  if (const auto* distribution = prior.distribution()) {
    std::vector<int64_t> shape = run.model->prior->latent_shape();
    shape.insert(shape.begin(), u.size(0));
    const Tensor all = u.unsqueeze(1).expand({u.size(0), size_of(run)}).reshape(shape);
    return distribution->icdf(all).flatten(1).index_select(1, components);
  }
  return at::quantile(draws.flatten(1).index_select(1, components), u, 0);
}

std::vector<Component> components_by_distance(LoadedRun& run, const Rng& rng, int64_t count,
                                              const DataProgress& progress) {
  const auto prior = run.model->prior->view();
  const Tensor z = prior->sample(count, rng, Stream::kSample, 0), wide = draws_for_quantiles(*prior, rng);
  const int64_t size = size_of(run), step = std::max<int64_t>(1, kPicturesAtOnce / count);
  const Tensor u = at::tensor({kLow, kHigh}, z.options());
  std::vector<Component> found;
  for (int64_t first = 0; first < size; first += step) {
    const int64_t number = std::min(step, size - first);
    const Tensor which = at::arange(first, first + number, z.options().dtype(at::kLong));
    const Tensor ends = quantiles(run, *prior, wide, u, which);
    const Tensor low = pictures_of(run, with_component(z, which, ends[0])),
                 high = pictures_of(run, with_component(z, which, ends[1]));
    const Tensor distance = (high - low).to(at::kDouble).norm(2, 1).reshape({count, number});
    const Tensor mean = distance.mean(0), spread = distance.std(0, /*unbiased=*/true);
    for (int64_t i = 0; i < number; ++i)
      found.push_back({first + i, mean[i].item<double>(),
                       spread[i].item<double>() / std::sqrt(static_cast<double>(count)), ends[0][i].item<double>(),
                       ends[1][i].item<double>()});
    if (progress) progress("components", first + number, size);
  }
  std::stable_sort(found.begin(), found.end(),
                   [](const Component& a, const Component& b) { return a.distance > b.distance; });
  return found;
}

Tensor traversals(LoadedRun& run, const Rng& rng, const std::vector<Component>& components, int64_t columns) {
  const auto prior = run.model->prior->view();
  const Tensor z = prior->sample(1, rng, Stream::kSample, 0), wide = draws_for_quantiles(*prior, rng);
  const Tensor u = at::linspace(kLow, kHigh, columns, z.options());
  std::vector<Tensor> rows;
  for (const Component& component : components) {
    const Tensor which = at::full({1}, component.index, z.options().dtype(at::kLong));
    const Tensor values = quantiles(run, *prior, wide, u, which).flatten();
    rows.push_back(with_component(z, which.expand({columns}), values));
  }
  return draw_from(run, rng, at::cat(rows)).samples;
}

}  // namespace kaem::exports
