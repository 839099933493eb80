#include "kaem/mcmc/kernel.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/where.h>
#include <c10/core/GradMode.h>

#include <array>
#include <cmath>
#include <cstring>
#include <memory>

#include "kaem/core/table.h"
#include "mcmc/internal.h"

namespace kaem::mcmc {

using at::Tensor;

namespace {

/// t·x, and 0 at t = 0 even where x is infinite.
Tensor tempered(const Tensor& x, const Tensor& temperature) {
  const Tensor t = align(temperature.to(x.options()), x);
  return at::where(t == 0, 0.0, t * x);
}

}  // namespace

Tensor flatten_chains(const Tensor& z) { return z.flatten(0, 2); }

Tensor unflatten_chains(const Tensor& values, at::IntArrayRef chains) { return values.unflatten(0, chains); }

Tensor align(const Tensor& values, const Tensor& x) {
  std::vector<int64_t> shape = values.sizes().vec();
  shape.resize(x.dim(), 1);
  return values.reshape(shape);
}

Tensor sum_over_latent(const Tensor& x) {
  return x.reshape({x.size(0), x.size(1), x.size(2), -1}).sum({-1}, false, at::kDouble);
}

State evaluate(const Target& target, const Tensor& z, Want want_of_prior) {
  State state = {.z = z, .white = {}, .prior = target.prior(z, want_of_prior), .likelihood = {}};
  if (target.likelihood) state.likelihood = target.likelihood(z, Want::kBoth);
  return state;
}

Tensor tempered_gradient(const State& state, const Tensor& temperature) {
  if (!state.likelihood.gradient.defined()) return state.prior.gradient;
  const Tensor likelihood = tempered(state.likelihood.gradient, temperature);
  return state.prior.gradient.defined() ? state.prior.gradient + likelihood : likelihood;
}

Tensor tempered_change(const State& to, const State& from, const Tensor& temperature) {
  const auto change = [](const Value& a, const Value& b) {
    return a.log_density.to(at::kDouble) - b.log_density.to(at::kDouble);
  };
  Tensor sum = per_chain(to.z, 0).to(at::kDouble);
  if (to.prior.log_density.defined()) sum = sum + change(to.prior, from.prior);
  if (to.likelihood.log_density.defined()) sum = sum + tempered(change(to.likelihood, from.likelihood), temperature);
  return sum;
}

Tensor acceptance_probability(const Tensor& log_ratio) { return log_ratio.clamp_max(0).exp().nan_to_num(0.0); }

State accept(const State& proposal, const State& state, const Tensor& probability, Draws& draws) {
  return select(draws.uniform(probability.sizes(), probability.options()) < probability, proposal, state);
}

Tensor scaled(const Tensor& x, const Tensor& preconditioner) {
  return preconditioner.defined() ? x * preconditioner.to(x.options()) : x;
}

void check_bounds(double lower, double upper) {
  if (std::isfinite(lower) != std::isfinite(upper)) throw UsageError("a domain with one finite end is not supported");
  if (!(lower < upper)) throw UsageError("the domain's lower end is not below its upper end");
}

Tensor per_chain(const Tensor& z, double value) { return at::full(z.sizes().slice(0, 3), value, z.options()); }

Folded fold(const Tensor& z, double lower, double upper) {
  check_bounds(lower, upper);
  if (!std::isfinite(lower)) return {z, at::ones({}, z.options()).expand_as(z)};
  const double width = upper - lower;
  const Tensor cell = ((z - lower) / width).floor();
  const Tensor odd = cell.remainder(2) == 1;
  const Tensor offset = (z - lower) - cell * width;
  const Tensor folded = lower + at::where(odd, width - offset, offset);
  // What lies inside keeps its bits.
  const Tensor inside = (z >= lower).logical_and(z <= upper);
  return {at::where(inside, z, folded.clamp(lower, upper)),
          at::where(odd.logical_and(inside.logical_not()), -1.0, 1.0).to(z.scalar_type())};
}

State select(const Tensor& take, const State& yes, const State& no) {
  return zip(yes, no, [&](const Tensor& a, const Tensor& b) { return at::where(align(take, a), a, b); });
}

State slice(const State& state, int64_t from, int64_t to) {
  return map(state, [&](const Tensor& x) { return x.slice(0, from, to); });
}

bool is_spread(const Tensor& x) { return x.dim() > 4 && x.size(-1) > 1 && x.stride(-1) == 0; }

namespace {

/// `rows` of the rows of a and, behind them, those of b. States are long: they are copied once, by all threads.
Tensor take_rows(const Tensor& a, const Tensor& b, const Tensor& rows) {
  if (!a.is_cpu() || a.scalar_type() != b.scalar_type()) return at::cat({a, b}).index_select(0, rows);
  const Tensor first = a.contiguous(), second = b.contiguous();
  std::vector<int64_t> sizes = a.sizes().vec();
  sizes[0] = rows.size(0);
  Tensor out = at::empty(sizes, a.options());
  if (out.numel() == 0) return out;
  const size_t bytes = static_cast<size_t>(out.numel() / rows.size(0)) * a.element_size();
  const auto *low = static_cast<const char*>(first.const_data_ptr()),
             *high = static_cast<const char*>(second.const_data_ptr());
  auto* to = static_cast<char*>(out.mutable_data_ptr());
  const int64_t* row = rows.const_data_ptr<int64_t>();
  at::parallel_for(0, rows.size(0), 1 + (1 << 16) / static_cast<int64_t>(bytes), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const bool in_first = row[i] < a.size(0);
      const auto from = static_cast<size_t>(in_first ? row[i] : row[i] - a.size(0));
      std::memcpy(to + static_cast<size_t>(i) * bytes, (in_first ? low : high) + from * bytes, bytes);
    }
  });
  return out;
}

/// x [T,B,N,latent...] by one number for the whole last axis.
Tensor collapsed(const Tensor& x) { return x.select(-1, 0); }

Tensor spread(const Tensor& x, int64_t times) {
  std::vector<int64_t> sizes = x.sizes().vec();
  sizes.push_back(times);
  return x.unsqueeze(-1).expand(sizes);
}

}  // namespace

State join(const State& first, const State& second) {
  return zip(first, second, [](const Tensor& a, const Tensor& b) {
    if (!is_spread(a) || !is_spread(b)) return at::cat({a, b}, 0);
    return spread(at::cat({collapsed(a), collapsed(b)}, 0), a.size(-1));
  });
}

void copy_into(const State& to, const State& from) {
  zip(to, from, [](const Tensor& a, const Tensor& b) {
    return is_spread(a) && is_spread(b) ? collapsed(a).copy_(collapsed(b)) : a.copy_(b);
  });
}

State take_levels(const State& first, const State& second, const Tensor& level) {
  const int64_t columns = level.size(1) * level.size(2);
  const Tensor column = at::arange(columns, level.options()).view({1, level.size(1), level.size(2)});
  const Tensor rows = (level * columns + column).flatten();
  const auto take = [&](const Tensor& a, const Tensor& b) {
    return unflatten_chains(take_rows(flatten_chains(a), flatten_chains(b), rows), level.sizes());
  };
  return zip(first, second, [&](const Tensor& a, const Tensor& b) {
    return is_spread(a) && is_spread(b) ? spread(take(collapsed(a), collapsed(b)), a.size(-1)) : take(a, b);
  });
}

LogDensity by_autograd(std::function<Tensor(const Tensor& z)> log_density) {
  return [density = std::move(log_density)](const Tensor& z, Want want) {
    const c10::AutoGradMode with_graph(want != Want::kValue);
    const auto chains = z.sizes().slice(0, 3);
    const Tensor rows = flatten_chains(z).detach().requires_grad_(want != Want::kValue);
    const Tensor value = density(rows);
    if (want == Want::kValue) return Value{unflatten_chains(value, chains), {}};
    value.sum().backward({}, std::nullopt, false, at::TensorList{rows});  // into `rows` alone, into no parameter
    return Value{unflatten_chains(value.detach(), chains), unflatten_chains(rows.grad(), chains)};
  };
}

Draws make_draws(const Rng& rng, Stream stream, int64_t step) {
  // One counter for both kinds, in whole blocks of four numbers: no bits are used twice. A GPU has its own copy, so
  // that float32 draws and uniform ones there wait for nothing from the host, and a recorded one moves on with every
  // replay.
  const auto next = std::make_shared<int64_t>(0);
  const auto counter = std::make_shared<Tensor>();
  const auto draw = [=](bool normal, at::IntArrayRef shape, at::TensorOptions options) {
    // Of chains [T,B,N,...] in part of a batch: those numbers that the whole batch would give these data.
    const bool part = rng.rows().is_part() && shape.size() >= 3;
    const int64_t own = c10::multiply_integers(shape), all = part ? own / shape[1] * rng.rows().total : own;
    const int64_t first = *next, count = (all + 3) / 4 * 4;
    *next += count;
    if (part)
      return normal ? rng.row_normal(stream, step, shape, 1, options, first)
                    : rng.row_uniform(stream, step, shape, 1, options, first);
    if (options.device().is_cuda() && (!normal || options.dtype() == caffe2::TypeMeta::Make<float>())) {
      if (!counter->defined()) *counter = at::full({}, first, options.dtype(at::kLong));
      return rng.next(normal, stream, step, shape, options, *counter);
    }
    if (counter->defined()) counter->add_(count);
    return normal ? rng.normal(stream, step, shape, options, first) : rng.uniform(stream, step, shape, options, first);
  };
  return {[=](at::IntArrayRef shape, at::TensorOptions options) { return draw(true, shape, options); },
          [=](at::IntArrayRef shape, at::TensorOptions options) { return draw(false, shape, options); }};
}

}  // namespace kaem::mcmc
