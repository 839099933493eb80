#include "kaem/export/interpolate.h"

#include <ATen/ATen.h>

#include <array>
#include <cmath>

#include "kaem/core/error.h"
#include "kaem/core/table.h"
#include "kaem/model/model.h"
#include "kaem/prior/prior.h"
#include "kaem/train/trainer.h"

namespace kaem::exports {
namespace {

using at::Tensor;

/// The ends of a way, and t [count,1...] from 0 to 1.
struct Way {
  const PriorView& prior;
  const Tensor &from, &to;
  Tensor t;
};

Tensor linear(const Way& way) { return way.from + way.t * (way.to - way.from); }

/// Along the great circle through both (Shoemake 1985), lengths of the vectors included.
Tensor slerp(const Way& way) {
  constexpr double kAlmostOne = 1 - 1e-7;
  const double cosine = ((way.from * way.to).sum() / (way.from.norm() * way.to.norm())).item<double>();
  if (!(std::abs(cosine) < kAlmostOne)) return linear(way);  // no circle, or no single one
  const double angle = std::acos(cosine);
  return (((1 - way.t) * angle).sin() * way.from + (way.t * angle).sin() * way.to) / std::sin(angle);
}

/// z = F⁻¹((1-t) F(z_A) + t F(z_B)).
Tensor by_distribution(const Way& way) {
  const CoordinateDistribution* const distribution = way.prior.distribution();
  if (distribution == nullptr)
    throw UsageError(
        "--path cdf: a deep prior has no distribution functions of single coordinates to go along; expected linear or "
        "slerp");
  const Tensor first = distribution->cdf(way.from), last = distribution->cdf(way.to);
  return distribution->icdf(first + way.t * (last - first));
}

constexpr auto kPaths =
    std::to_array<Named<Tensor (*)(const Way&)>>({{"linear", linear}, {"slerp", slerp}, {"cdf", by_distribution}});

}  // namespace

std::vector<std::string> path_names() { return names_of(kPaths); }

std::vector<std::string> paths_of(const LoadedRun& run) {
  std::vector<std::string> names = path_names();
  if (run.model->prior->view()->distribution() == nullptr) std::erase(names, "cdf");
  return names;
}

Tensor latents_between_draws(const LoadedRun& run, const Rng& rng,
                             const std::vector<std::pair<int64_t, int64_t>>& pairs,
                             const std::vector<std::string>& paths, int64_t count) {
  const auto prior = run.model->prior->view();
  std::vector<Tensor> rows;
  for (const auto& [first, last] : pairs) {
    const Tensor from = prior->sample(1, rng, Stream::kSample, 0, first),
                 to = prior->sample(1, rng, Stream::kSample, 0, last);
    for (const auto& path : paths)
      rows.push_back(latents_between(path, *prior, run.model->prior->domain(), from, to, count));
  }
  return at::cat(rows);
}

Tensor latents_between(const std::string& path, const PriorView& prior, std::pair<double, double> domain,
                       const Tensor& z_a, const Tensor& z_b, int64_t count) {
  std::vector<int64_t> shape(static_cast<size_t>(z_a.dim()), 1);
  shape[0] = count;
  const Way way = {prior, z_a, z_b, at::linspace(0, 1, count, z_a.options()).reshape(shape)};
  return find(kPaths, "--path", path)(way).clamp(domain.first, domain.second);
}

}  // namespace kaem::exports
