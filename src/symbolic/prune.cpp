#include "kaem/symbolic/prune.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>

#include "kaem/prior/prior.h"
#include "kaem/symbolic/components.h"

namespace kaem::symbolic {
namespace {

using at::Tensor;

constexpr int64_t kCurvePoints = 401;

/// Keeps a module's parameters and buffers, and gives them back at the end.
class Kept {
 public:
  explicit Kept(const torch::nn::Module& module) {
    for (const Tensor& t : module.parameters()) add(t);
    for (const Tensor& t : module.buffers())
      if (t.defined()) add(t);
  }
  ~Kept() {
    const c10::AutoGradMode no_grad(false);
    for (auto& [tensor, value] : values_) tensor.copy_(value);
  }
  Kept(const Kept&) = delete;
  Kept& operator=(const Kept&) = delete;

 private:
  void add(const Tensor& t) { values_.emplace_back(t, t.detach().clone()); }
  std::vector<std::pair<Tensor, Tensor>> values_;
};

}  // namespace

Pruning::Pruning(ModelImpl& model, const Tensor& x, int64_t samples, const Rng& rng)
    : model_(model), x_(x), samples_(samples), rng_(rng) {
  const c10::AutoGradMode no_grad(false);
  const PriorCurves curves = curves_of(*model.prior, kCurvePoints, "prune");
  // The table's rounding makes of a divergence of 0 something near it; an energy that is 0 has none.
  divergence_ = summarise(curves).divergence.clamp_min(0).masked_fill(curves.energy.eq(0).all(0), 0);
  order_ = divergence_.flatten().argsort(/*stable=*/true, 0, /*descending=*/false);
  log_weights_ = metrics::importance_log_weights(model, x, samples, rng);
}

Tensor Pruning::least(int64_t count) const {
  Tensor which = at::zeros_like(order_, at::kBool);
  return which.index_fill_(0, order_.narrow(0, 0, count), 1).reshape_as(divergence_);
}

metrics::Change Pruning::change(const Tensor& which) const {
  const Kept kept(*model_.prior);
  model_.prior->set_flat(which.to(x_.device()));
  return metrics::change_of(log_weights_, metrics::importance_log_weights(model_, x_, samples_, rng_));
}

void Pruning::apply(const Tensor& which) { model_.prior->set_flat(which.to(x_.device())); }

Pruning::Search Pruning::search(double threshold) const {
  Search result;
  const auto is_cheap = [&](int64_t count) {
    result.tried.push_back({count, change(least(count))});
    return -result.tried.back().change.mean <= threshold;
  };
  int64_t good = 0, bad = order_.size(0);
  result.tried.push_back({0, metrics::change_of(log_weights_, log_weights_)});
  if (is_cheap(bad)) good = bad;
  while (bad - good > 1) {
    const int64_t middle = good + (bad - good) / 2;
    (is_cheap(middle) ? good : bad) = middle;
  }
  result.found = good;
  std::sort(result.tried.begin(), result.tried.end(), [](const Cut& a, const Cut& b) { return a.count < b.count; });
  return result;
}

}  // namespace kaem::symbolic
