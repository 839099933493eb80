#include "kaem/train/optimizer.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/_foreach_add.h>
#include <ATen/ops/_fused_adam.h>
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/_fused_sgd.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <array>
#include <cmath>
#include <set>
#include <utility>

#include "kaem/core/table.h"

namespace kaem {
namespace {

constexpr double kMomentumDecay = 4e-3;  // PyTorch's default of NAdam's schedule

/// A parameter with its state. `first` and `second` are what the rule calls them.
struct Slot {
  NamedParameter parameter;
  at::Tensor step, first, second;
};

/// What a fused update works on: the slots of one learning rate, as lists.
struct Lists {
  std::vector<at::Tensor> values, gradients, first, second, steps;
};

using PlainUpdate = void (*)(const OptimizerOptions&, Slot&, at::Tensor gradient, double rate);
using FusedUpdate = void (*)(const OptimizerOptions&, Lists&, double rate);

/// One row of the table of optimisers.
struct Rule {
  std::string_view first, second;  // names of the state tensors, empty: none
  PlainUpdate plain;
  FusedUpdate fused;  // null: LibTorch has none
};

/// L2 decay as in PyTorch: λp joins the gradient. Adam's kind has none: divided by its root mean square, λp would
/// outweigh the small gradients of the prior's energies.
at::Tensor decayed(const OptimizerOptions& o, const Slot& s, const at::Tensor& gradient) {
  return o.weight_decay == 0 ? gradient : gradient.add(s.parameter.value, o.weight_decay);
}

/// m ← β1 m + (1-β1) g, v ← β2 v + (1-β2) g².
void update_moments(const OptimizerOptions& o, Slot& s, const at::Tensor& g) {
  s.first.lerp_(g, 1 - o.betas[0]);
  s.second.mul_(o.betas[1]).addcmul_(g, g, 1 - o.betas[1]);
}

/// p ← p - rate/(1-β1ᵗ) m / (√v/√(1-β2ᵗ) + ε)  (Kingma and Ba 2015).
void adam_direction(const OptimizerOptions& o, Slot& s, double rate) {
  const double t = s.step.item<double>();
  const double correction = 1 - std::pow(o.betas[0], t), root = std::sqrt(1 - std::pow(o.betas[1], t));
  s.parameter.value.addcdiv_(s.first, s.second.sqrt().div_(root).add_(o.eps), -rate / correction);
}

void plain_adam(const OptimizerOptions& o, Slot& s, at::Tensor gradient, double rate) {
  update_moments(o, s, gradient);
  adam_direction(o, s, rate);
}

/// As adam, but p ← (1 - rate λ) p first (Loshchilov and Hutter 2019).
void plain_adamw(const OptimizerOptions& o, Slot& s, at::Tensor gradient, double rate) {
  s.parameter.value.mul_(1 - rate * o.weight_decay);
  update_moments(o, s, gradient);
  adam_direction(o, s, rate);
}

/// Adam with Nesterov momentum (Dozat 2016), β1 on PyTorch's schedule μ_t = β1 (1 - ½·0.96^(t·0.004)):
/// p ← p - rate (1-μ_t)/(1-Πμ) g/d - rate μ_{t+1}/(1-Πμ μ_{t+1}) m/d, d = √(v/(1-β2ᵗ)) + ε.
void plain_nadam(const OptimizerOptions& o, Slot& s, at::Tensor gradient, double rate) {
  const double t = s.step.item<double>();
  const auto mu = [&](double n) { return o.betas[0] * (1 - 0.5 * std::pow(0.96, n * kMomentumDecay)); };
  double product = 1;  // Πμ from 1 to t; t terms of a product that is soon 0, so a state of its own is not needed
  for (double n = 1; n <= t && product > 1e-30; ++n) product *= mu(n);
  update_moments(o, s, gradient);
  const auto denominator = (s.second / (1 - std::pow(o.betas[1], t))).sqrt_().add_(o.eps);
  s.parameter.value.addcdiv_(gradient, denominator, -rate * (1 - mu(t)) / (1 - product));
  s.parameter.value.addcdiv_(s.first, denominator, -rate * mu(t + 1) / (1 - product * mu(t + 1)));
}

/// v ← ρ v + (1-ρ) g², p ← p - rate g / (√v + ε)  (Tieleman and Hinton 2012).
void plain_rmsprop(const OptimizerOptions& o, Slot& s, at::Tensor gradient, double rate) {
  s.first.mul_(o.rho).addcmul_(gradient, gradient, 1 - o.rho);
  s.parameter.value.addcdiv_(gradient, s.first.sqrt().add_(o.eps), -rate);
}

void plain_sgd(const OptimizerOptions& o, Slot& s, at::Tensor gradient, double rate) {
  s.parameter.value.add_(decayed(o, s, gradient), -rate);
}

/// b ← ρ b + g, p ← p - rate b.
void plain_momentum(const OptimizerOptions& o, Slot& s, at::Tensor gradient, double rate) {
  s.first.mul_(o.rho).add_(decayed(o, s, gradient));
  s.parameter.value.add_(s.first, -rate);
}

/// b ← ρ b + g, p ← p - rate (g + ρ b).
void plain_nesterov(const OptimizerOptions& o, Slot& s, at::Tensor gradient, double rate) {
  const auto g = decayed(o, s, gradient);
  s.first.mul_(o.rho).add_(g);
  s.parameter.value.add_(g.add(s.first, o.rho), -rate);
}

void fused_adam(const OptimizerOptions& o, Lists& l, double rate) {
  at::_fused_adam_(l.values, l.gradients, l.first, l.second, {}, l.steps, rate, o.betas[0], o.betas[1], 0.0, o.eps,
                   false, false);
}

void fused_adamw(const OptimizerOptions& o, Lists& l, double rate) {
  at::_fused_adamw_(l.values, l.gradients, l.first, l.second, {}, l.steps, rate, o.betas[0], o.betas[1], o.weight_decay,
                    o.eps, false, false);
}

// is_first_step is false always: the buffers start as zeros, so the first update is b = ρ·0 + g without it.
template <bool momentum, bool nesterov>
void fused_sgd(const OptimizerOptions& o, Lists& l, double rate) {
  at::_fused_sgd_(l.values, l.gradients, l.first, o.weight_decay, momentum ? o.rho : 0.0, rate, 0.0, nesterov, false,
                  false);
}

constexpr auto kRules = std::to_array<Named<Rule>>({
    {"adam", {"exp_avg", "exp_avg_sq", plain_adam, fused_adam}},
    {"adamw", {"exp_avg", "exp_avg_sq", plain_adamw, fused_adamw}},
    {"sgd", {"", "", plain_sgd, fused_sgd<false, false>}},
    {"momentum", {"momentum_buffer", "", plain_momentum, fused_sgd<true, false>}},
    {"nesterov", {"momentum_buffer", "", plain_nesterov, fused_sgd<true, true>}},
    {"rmsprop", {"square_avg", "", plain_rmsprop, nullptr}},
    {"nadam", {"exp_avg", "exp_avg_sq", plain_nadam, nullptr}},
});

class RuleOptimizer : public Optimizer {
 public:
  RuleOptimizer(OptimizerOptions options, const Rule& rule, std::vector<NamedParameter> values)
      : options_(std::move(options)), rule_(rule) {
    parameters = std::move(values);
    if (options_.prior_learning_rate == 0) options_.prior_learning_rate = options_.learning_rate;
    for (const auto& p : parameters) slots_.push_back(make_slot(p));
  }

  void step(double factor) override {
    const at::NoGradGuard no_grad;
    for (const bool of_prior : {false, true}) {
      Lists lists;
      const double rate = factor * (of_prior ? options_.prior_learning_rate : options_.learning_rate);
      for (auto& slot : slots_)
        if (slot.parameter.of_prior == of_prior && slot.parameter.value.grad().defined()) step_slot(slot, rate, lists);
      if (lists.values.empty()) continue;
      at::_foreach_add_(lists.steps, 1);
      rule_.fused(options_, lists, rate);
    }
  }

  io::NamedTensors named_state() override {
    io::NamedTensors state;
    for (const auto& s : slots_) {
      const std::string prefix = "optimizer." + s.parameter.name + ".";
      state.emplace_back(prefix + "step", s.step);
      if (s.first.defined()) state.emplace_back(prefix + std::string(rule_.first), s.first);
      if (s.second.defined()) state.emplace_back(prefix + std::string(rule_.second), s.second);
    }
    return state;
  }

 private:
  bool is_fused(const at::Tensor& value) const { return rule_.fused != nullptr && value.scalar_type() == at::kFloat; }

  Slot make_slot(const NamedParameter& p) const {
    // The fused kernels walk values, gradients and state as flat arrays.
    if (!p.value.is_contiguous()) throw Error(str("optimizer: parameter ", p.name, " is not contiguous"));
    Slot slot{p, {}, {}, {}};
    // A plain update reads its step as a number: on the CPU this needs no synchronisation.
    const auto device = is_fused(p.value) ? p.value.device() : at::Device(at::kCPU);
    slot.step = at::zeros({}, at::TensorOptions(at::kFloat).device(device));
    const auto zeros = [&] { return at::zeros_like(p.value, at::TensorOptions().requires_grad(false)); };
    if (!rule_.first.empty()) slot.first = zeros();
    if (!rule_.second.empty()) slot.second = zeros();
    return slot;
  }

  void step_slot(Slot& slot, double rate, Lists& lists) {
    const auto gradient = slot.parameter.value.grad().contiguous();
    if (!is_fused(slot.parameter.value)) {
      slot.step.add_(1);
      return rule_.plain(options_, slot, gradient, rate);
    }
    lists.values.push_back(slot.parameter.value);
    lists.gradients.push_back(gradient);
    lists.steps.push_back(slot.step);
    if (slot.first.defined()) lists.first.push_back(slot.first);
    if (slot.second.defined()) lists.second.push_back(slot.second);
  }

  OptimizerOptions options_;
  Rule rule_;
  std::vector<Slot> slots_;
};

}  // namespace

void Optimizer::zero_grad() {
  for (auto& p : parameters) p.value.mutable_grad() = at::Tensor();  // backward then hands over its buffers uncopied
}

std::unique_ptr<Optimizer> make_optimizer(const OptimizerOptions& options, std::vector<NamedParameter> parameters) {
  if (options.betas.size() != 2) throw ConfigError("[OPTIMIZER] betas: expected two numbers");
  std::set<std::string_view> names;
  for (const auto& p : parameters)
    if (!names.insert(p.name).second) throw Error("optimizer: two parameters are called " + p.name);
  return std::make_unique<RuleOptimizer>(options, find(kRules, "[OPTIMIZER] type", options.type),
                                         std::move(parameters));
}

std::vector<std::string> optimizer_names() { return names_of(kRules); }

}  // namespace kaem
