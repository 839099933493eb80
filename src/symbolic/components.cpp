#include "kaem/symbolic/components.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "kaem/core/error.h"
#include "kaem/prior/prior.h"

namespace kaem::symbolic {

using at::Tensor;

PriorCurves with_densities(const PriorCurves& c) {
  const auto wide = [](const Tensor& t) { return t.to(at::kCPU, at::kDouble); };
  const Tensor p = wide(c.density), z = wide(c.z), log_pi0 = wide(c.log_reference).expand_as(p);
  return {z, wide(c.energy), log_pi0 - at::trapezoid(log_pi0.exp(), z, 0).log(), p, wide(c.cdf)};
}

Summary summarise(const PriorCurves& c) {
  constexpr double kLeast = 1e-300;
  const Tensor log_p = c.density.clamp_min(kLeast).log(), zero = at::zeros({}, c.density.options());
  // Where nothing lies, nothing is added, whatever the reference says there.
  const Tensor inside = c.density > 0;
  const auto integral = [&](const Tensor& f) { return at::trapezoid(at::where(inside, f, zero), c.z, 0); };
  return {integral(-c.density * log_p), integral(c.density * (log_p - c.log_reference))};
}

std::vector<std::pair<int64_t, int64_t>> most_different(const Summary& s, int64_t count, bool one_each) {
  const Tensor order = s.divergence.flatten().argsort(0, /*descending=*/true);
  const int64_t p_count = s.divergence.size(1);
  std::vector<std::pair<int64_t, int64_t>> found;
  for (int64_t i = 0; i < order.size(0) && std::ssize(found) < count; ++i) {
    const int64_t q = order[i].item<int64_t>() / p_count, p = order[i].item<int64_t>() % p_count;
    const bool seen = std::any_of(found.begin(), found.end(), [&](const auto& other) { return other.first == q; });
    if (!(one_each && seen)) found.emplace_back(q, p);
  }
  return found;
}

void check_energies(Prior& prior, const std::string& run) {
  const auto view = prior.view();
  if (view->distribution() == nullptr) throw UsageError(run + ": a deep prior has no energies of single coordinates");
  if (view->distribution()->table() == nullptr) throw UsageError(run + ": a Gaussian prior has no energies");
}

PriorCurves curves_of(Prior& prior, int64_t points, const std::string& run) {
  check_energies(prior, run);
  return with_densities(*kaem::curves_of(prior, points));
}

}  // namespace kaem::symbolic
