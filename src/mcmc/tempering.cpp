#include "kaem/mcmc/tempering.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/GradMode.h>

#include <array>
#include <cmath>
#include <numbers>

#include "kaem/core/table.h"
#include "mcmc/internal.h"

namespace kaem::mcmc {

using at::Tensor;

namespace {

constexpr auto kSchemes = std::to_array<Named<Scheme>>({
    {"deo", Scheme::kDeo},
    {"random", Scheme::kRandom},
    {"none", Scheme::kNone},
});

/// The lower and the upper levels of the pairs first, first + 2, ...
Tensor lower_levels(const Tensor& x, int64_t first) { return x.slice(0, first, x.size(0) - 1, 2); }
Tensor upper_levels(const Tensor& x, int64_t first) { return x.slice(0, first + 1, x.size(0), 2); }

/// Acceptance probabilities [pairs,B,N] of the pairs first, first + 2, ...
Tensor swap_probability(const Tensor& log_likelihood, const Tensor& temperature, int64_t first) {
  const Tensor l = log_likelihood.to(at::kDouble), t = align(temperature.to(l.options()), l);
  return acceptance_probability((lower_levels(t, first) - upper_levels(t, first)) *
                                (upper_levels(l, first) - lower_levels(l, first)));
}

/// Level that each of the levels `own` trades with in the pairs first, first + 2, ...; anything where it is in no pair.
/// Made on the device: copying it there would wait.
Tensor partners(const Tensor& own, int64_t first) {
  return at::where((own - first).remainder(2) == 0, own + 1, own - 1);
}

/// Marks who stands at the two ends. A trip ends where a replica that has been to the top since it left level 0 is
/// back.
void follow_replicas(ExchangeLog& log) {
  const int64_t top = log.replica.size(0) - 1;
  if (top < 1) return;
  const Tensor at_bottom = log.replica.slice(0, 0, 1), at_top = log.replica.slice(0, top, top + 1);
  log.round_trips += (log.heading.gather(0, at_bottom) == -1).squeeze(0);
  log.heading.scatter_(0, at_bottom, 1);
  const Tensor heading_at_top = log.heading.gather(0, at_top);
  log.heading.scatter_(0, at_top, at::where(heading_at_top == 1, -heading_at_top, heading_at_top));
}

}  // namespace

Scheme parse_scheme(std::string_view name) { return find(kSchemes, "swap scheme", name); }

std::vector<double> power_ladder(int64_t n, double power) {
  std::vector<double> temperature(n + 1);
  for (int64_t k = 0; k <= n; ++k) temperature[k] = std::pow(static_cast<double>(k) / static_cast<double>(n), power);
  return temperature;
}

double power_at(double start, double end, double cycles, double share) {
  return start + (end - start) * 0.5 * (1 - std::cos(2 * std::numbers::pi * (cycles + 0.5) * share));
}

bool ends_round(int64_t count) {
  // Rounds 0..r last 100 (2^(r+1) - 1) exchanges together.
  const int64_t rounds = count / 100 + 1;
  return count > 0 && count % 100 == 0 && (rounds & (rounds - 1)) == 0;
}

ExchangeLog::ExchangeLog(int64_t levels, int64_t data, int64_t chains, at::TensorOptions options, int64_t before)
    : rejection_sum(at::zeros({std::max<int64_t>(levels - 1, 0)}, options.dtype(at::kDouble))),
      attempts(at::zeros_like(rejection_sum)),
      replica(at::arange(levels, options.dtype(at::kLong)).view({levels, 1, 1}).repeat({1, data, chains})),
      heading(at::zeros_like(replica)),
      round_trips(at::zeros({data, chains}, options.dtype(at::kLong))),
      count(before) {
  follow_replicas(*this);
}

Tensor ExchangeLog::swap_rate() const { return 1 - rejection_sum / attempts; }  // 0/0: there is no rate

Tensor ExchangeLog::barrier() const { return (rejection_sum / attempts.clamp_min(1)).sum(); }

namespace {

/// Decides who trades: the level from which each chain takes its state, int64 [T,B,N]; undefined where nobody trades.
Tensor trades(const Tensor& log_likelihood, const Tensor& temperature, Scheme scheme, Draws& draws, ExchangeLog& log) {
  if (!log_likelihood.defined()) throw UsageError("an exchange needs the values of a likelihood");
  const int64_t levels = log_likelihood.size(0);
  const int64_t round = log.count++;
  if (scheme == Scheme::kNone) return {};
  const int64_t first =
      scheme == Scheme::kDeo ? round % 2 : static_cast<int64_t>(draws.uniform({1}, at::kDouble).item<double>() < 0.5);
  if (first + 1 >= levels) return {};

  const Tensor probability = swap_probability(log_likelihood, temperature, first);
  log.attempts.slice(0, first, levels - 1, 2) += 1;
  log.rejection_sum.slice(0, first, levels - 1, 2) += (1 - probability).mean({1, 2});

  const Tensor accepted = draws.uniform(probability.sizes(), probability.options()) < probability;
  const Tensor swapped = at::zeros(log_likelihood.sizes(), log_likelihood.options().dtype(at::kBool));
  lower_levels(swapped, first).copy_(accepted);
  upper_levels(swapped, first).copy_(accepted);
  const Tensor own = at::arange(levels, log_likelihood.options().dtype(at::kLong)).view({levels, 1, 1});
  const Tensor source = at::where(swapped, partners(own, first), own);
  log.replica = log.replica.gather(0, source);
  follow_replicas(log);
  return source;
}

}  // namespace

State exchange(const State& state, const Tensor& temperature, Scheme scheme, Draws& draws, ExchangeLog& log) {
  const c10::AutoGradMode no_grad(false);
  const Tensor source = trades(state.likelihood.log_density, temperature, scheme, draws, log);
  return source.defined() ? take_levels(slice(state, 0, 1), slice(state, 1, state.z.size(0)), source) : state;
}

State tempered_step(const State& state, const Kernel& kernel, const std::function<State(Draws&)>& refresh,
                    const Tensor& temperature, Scheme scheme, Draws& draws, ExchangeLog& log, Info* info, bool last) {
  const c10::AutoGradMode no_grad(false);
  const auto [moved, moved_info] = kernel.move(slice(state, 1, state.z.size(0)), draws, last);
  if (info != nullptr) *info = moved_info;
  const State fresh = refresh(draws);
  const Tensor &below = fresh.likelihood.log_density, &above = moved.likelihood.log_density;
  const Tensor log_likelihood = below.defined() && above.defined() ? at::cat({below, above}) : Tensor();
  const Tensor source = trades(log_likelihood, temperature, scheme, draws, log);
  return source.defined() ? take_levels(fresh, moved, source) : join(fresh, moved);
}

}  // namespace kaem::mcmc
