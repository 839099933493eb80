#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/empty_like.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <tuple>

#include "kaem/mcmc/kernel.h"
#include "mcmc/internal.h"

namespace kaem::mcmc {

using at::Tensor;

namespace {

/// One chain's move, `count` numbers; `likelihood` holds one gradient for every `repeat` numbers (null: none).
struct MoveRow {
  const float *z, *prior, *likelihood, *noise;
  int64_t count, repeat;
  float temperature, step, spread, lower, upper;
};

/// z + η (g + t ℓ') + √(2η) ξ, reflected once where it left the box; false if that was not enough for all of them.
bool move_row(const MoveRow& r, float* out) {
  for (int64_t i = 0; i < r.count; i += r.repeat) {
    const float shared = r.likelihood != nullptr ? r.temperature * r.likelihood[i / r.repeat] : 0.0F;
    for (int64_t k = i; k < i + r.repeat; ++k)
      out[k] = r.z[k] + (r.step * (r.prior[k] + shared) + r.spread * r.noise[k]);
  }
  int outside = 0;
  for (int64_t k = 0; k < r.count; ++k) {
    float x = out[k];
    x = x < r.lower ? 2 * r.lower - x : x;
    x = x > r.upper ? 2 * r.upper - x : x;
    outside |= static_cast<int>(x < r.lower) | static_cast<int>(x > r.upper);
    out[k] = x;
  }
  return outside == 0;
}

/// The likelihood's gradient as it lies: whole, or one number for all of the last axis.
std::pair<Tensor, int64_t> compact(const Tensor& gradient) {
  if (is_spread(gradient)) return {gradient.select(-1, 0).contiguous(), gradient.size(-1)};
  return {gradient.contiguous(), 1};
}

/// The move in one pass over the chains; undefined where it does not apply (other devices and types).
Tensor fused_move(const State& state, const Tensor& temperature, double eta, const Tensor& noise, double lower,
                  double upper) {
  const Tensor z = state.z.contiguous(), prior = state.prior.gradient.contiguous();
  if (!z.is_cpu() || z.scalar_type() != at::kFloat || prior.scalar_type() != at::kFloat) return {};
  Tensor likelihood;
  int64_t repeat = 1;
  if (state.likelihood.gradient.defined()) std::tie(likelihood, repeat) = compact(state.likelihood.gradient);
  if (likelihood.defined() && likelihood.scalar_type() != at::kFloat) return {};
  const Tensor xi = noise.to(at::kFloat).contiguous();
  Tensor out = at::empty_like(z);
  const Tensor t = temperature.to(at::kCPU, at::kFloat).contiguous();
  const int64_t levels = z.size(0), rows = levels * z.size(1) * z.size(2), count = rows > 0 ? z.numel() / rows : 0;
  if (count == 0) return out;
  std::atomic<bool> all_inside = true;
  at::parallel_for(0, rows, std::max<int64_t>(1, 16384 / count), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      MoveRow r{z.const_data_ptr<float>() + row * count,
                prior.const_data_ptr<float>() + row * count,
                nullptr,
                xi.const_data_ptr<float>() + row * count,
                count,
                likelihood.defined() ? repeat : count,
                t.const_data_ptr<float>()[t.numel() == 1 ? 0 : row / (rows / levels)],
                static_cast<float>(eta),
                static_cast<float>(std::sqrt(2 * eta)),
                static_cast<float>(lower),
                static_cast<float>(upper)};
      // t = 0 forgets the likelihood even where it is infinite.
      if (likelihood.defined() && r.temperature != 0)
        r.likelihood = likelihood.const_data_ptr<float>() + row * (count / repeat);
      if (!move_row(r, out.mutable_data_ptr<float>() + row * count)) all_inside = false;
    }
  });
  return all_inside ? out : fold(out, lower, upper).z;  // a step of more than the box's width
}

}  // namespace

Kernel ula(const Target& target, const KernelOptions& options) {
  check_bounds(target.lower, target.upper);
  const auto init = [target](const Tensor& z) {
    const c10::AutoGradMode no_grad(false);
    return evaluate(target, z.detach(), Want::kGradient);
  };
  const auto step = [=](const State& state, Draws& draws) {
    const c10::AutoGradMode no_grad(false);
    const double eta = options.step_size;
    const Tensor noise = draws.normal(state.z.sizes(), state.z.options());
    Tensor next;
    if (!options.preconditioner.defined())
      next = fused_move(state, target.temperature, eta, noise, target.lower, target.upper);
    const auto scale = [&](const Tensor& x) { return scaled(x, options.preconditioner); };
    if (!next.defined()) {
      const Tensor drift = scale(tempered_gradient(state, target.temperature));
      next = fold(state.z + scale(eta * drift + std::sqrt(2 * eta) * noise), target.lower, target.upper).z;
    }
    return std::pair(evaluate(target, next, Want::kGradient), Info{per_chain(next, 1), per_chain(next, eta)});
  };
  return {init, step, false};
}

}  // namespace kaem::mcmc
