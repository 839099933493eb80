#include "kaem/train/optimizer.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <vector>

#include "kaem/core/error.h"
#include "kaem/core/rng.h"

namespace kaem {
namespace {

constexpr int kSteps = 12;

/// The published recurrences for one number, in double: written apart from the code under test.
struct Scalar {
  OptimizerOptions o;
  double p, m = 0, v = 0, product = 1;
  int t = 0;

  void step(double g, double rate) {
    ++t;
    const double b1 = o.betas[0], b2 = o.betas[1];
    if (o.type == "adamw") p -= rate * o.weight_decay * p;
    if (o.type == "sgd" || o.type == "momentum" || o.type == "nesterov") g += o.weight_decay * p;
    if (o.type == "sgd") p -= rate * g;
    if (o.type == "momentum") m = o.rho * m + g, p -= rate * m;
    if (o.type == "nesterov") m = o.rho * m + g, p -= rate * (g + o.rho * m);
    if (o.type == "rmsprop") v = o.rho * v + (1 - o.rho) * g * g, p -= rate * g / (std::sqrt(v) + o.eps);
    if (o.type == "adam" || o.type == "adamw") {
      m = b1 * m + (1 - b1) * g, v = b2 * v + (1 - b2) * g * g;
      const double mh = m / (1 - std::pow(b1, t)), vh = v / (1 - std::pow(b2, t));
      p -= rate * mh / (std::sqrt(vh) + o.eps);
    }
    if (o.type == "nadam") {
      const double mu = b1 * (1 - 0.5 * std::pow(0.96, t * 0.004)),
                   next = b1 * (1 - 0.5 * std::pow(0.96, (t + 1) * 0.004));
      product *= mu;
      m = b1 * m + (1 - b1) * g, v = b2 * v + (1 - b2) * g * g;
      const double d = std::sqrt(v / (1 - std::pow(b2, t))) + o.eps;
      p -= rate * (1 - mu) / (1 - product) * g / d + rate * next / (1 - product * next) * m / d;
    }
  }
};

OptimizerOptions options_of(const std::string& type, double decay) {
  OptimizerOptions o;
  o.type = type, o.weight_decay = decay, o.learning_rate = 0.03, o.prior_learning_rate = 0.007, o.betas = {0.85, 0.97};
  o.rho = 0.8, o.eps = 1e-3;  // large enough to matter
  return o;
}

at::Tensor values(int64_t step, at::ScalarType type) {
  return Rng(5).normal(Stream::kTest, step, {3, 7}).to(at::kDouble).mul(1.5).to(type);
}

struct Pair {
  at::Tensor generator, prior;
  std::unique_ptr<Optimizer> optimizer;
};

Pair make_pair(const OptimizerOptions& o, at::ScalarType type) {
  Pair pair{values(100, type).requires_grad_(), values(101, type).requires_grad_(), nullptr};
  pair.optimizer = make_optimizer(o, {{"generator.w", pair.generator}, {"prior.w", pair.prior, true}});
  return pair;
}

double factor(int t) { return 1.0 / (1 + t); }

void step(Pair& pair, int t) {
  pair.optimizer->zero_grad();
  pair.generator.mutable_grad() = values(t, pair.generator.scalar_type());
  // Not contiguous, as autograd may hand it over.
  pair.prior.mutable_grad() = values(t, pair.prior.scalar_type()).t().contiguous().t();
  pair.optimizer->step(factor(t));
}

/// Largest difference from the recurrences after kSteps updates.
double error_of(const OptimizerOptions& o, at::ScalarType type) {
  auto pair = make_pair(o, type);
  std::vector<Scalar> scalars;
  const auto start = at::cat({pair.generator, pair.prior}).detach().to(at::kDouble).flatten();
  for (int64_t i = 0; i < start.numel(); ++i) scalars.push_back({o, start[i].item<double>()});
  for (int t = 0; t < kSteps; ++t) {
    step(pair, t);
    const auto g = values(t, type).to(at::kDouble).flatten();
    for (size_t i = 0; i < scalars.size(); ++i)
      scalars[i].step(g[static_cast<int64_t>(i) % g.numel()].item<double>(),
                      factor(t) * (static_cast<int64_t>(i) < g.numel() ? o.learning_rate : o.prior_learning_rate));
  }
  const auto end = at::cat({pair.generator, pair.prior}).detach().to(at::kDouble).flatten();
  double worst = 0;
  for (size_t i = 0; i < scalars.size(); ++i)
    worst = std::max(worst, std::abs(end[static_cast<int64_t>(i)].item<double>() - scalars[i].p));
  return worst;
}

TEST(OptimizerTest, EveryTypeFollowsItsRecurrence) {
  for (const auto& type : optimizer_names())
    for (const double decay : {0.0, 0.1}) {
      const auto o = options_of(type, decay);
      EXPECT_LT(error_of(o, at::kDouble), 1e-13) << type << " decay " << decay << " (plain, float64)";
      EXPECT_LT(error_of(o, at::kFloat), 2e-6) << type << " decay " << decay << " (float32)";
    }
}

TEST(OptimizerTest, PriorRateOfZeroMeansTheCommonRate) {
  auto o = options_of("sgd", 0);
  o.prior_learning_rate = 0;
  auto pair = make_pair(o, at::kFloat);
  const auto before = pair.prior.detach().clone();
  step(pair, 0);
  EXPECT_TRUE(at::allclose(before - pair.prior, values(0, at::kFloat) * o.learning_rate, 1e-5, 1e-6));
}

TEST(OptimizerTest, ParametersWithoutAGradientStay) {
  auto pair = make_pair(options_of("adam", 0.1), at::kFloat);
  const auto before = pair.prior.detach().clone();
  pair.generator.mutable_grad() = values(0, at::kFloat);
  pair.optimizer->step(1);
  EXPECT_TRUE(at::equal(before, pair.prior));
}

TEST(OptimizerTest, StateCarriesOverBitForBit) {
  for (const auto& type : optimizer_names())
    for (const auto dtype : {at::kFloat, at::kDouble}) {
      auto straight = make_pair(options_of(type, 0.1), dtype), first = make_pair(options_of(type, 0.1), dtype);
      for (int t = 0; t < 5; ++t) step(straight, t), step(first, t);
      auto second = make_pair(options_of(type, 0.1), dtype);
      {
        const at::NoGradGuard no_grad;
        second.generator.copy_(first.generator), second.prior.copy_(first.prior);
        std::map<std::string, at::Tensor> saved;
        for (const auto& [name, tensor] : first.optimizer->named_state()) saved[name] = tensor.clone();
        for (auto [name, tensor] : second.optimizer->named_state()) tensor.copy_(saved.at(name));
      }
      for (int t = 5; t < 9; ++t) step(straight, t), step(second, t);
      EXPECT_TRUE(at::equal(straight.generator, second.generator)) << type;
      EXPECT_TRUE(at::equal(straight.prior, second.prior)) << type;
    }
}

TEST(OptimizerTest, StateIsNamedAfterItsParameter) {
  auto pair = make_pair(options_of("adam", 0), at::kFloat);
  std::vector<std::string> names;
  for (const auto& [name, tensor] : pair.optimizer->named_state()) names.push_back(name);
  EXPECT_EQ(names, (std::vector<std::string>{"optimizer.generator.w.step", "optimizer.generator.w.exp_avg",
                                             "optimizer.generator.w.exp_avg_sq", "optimizer.prior.w.step",
                                             "optimizer.prior.w.exp_avg", "optimizer.prior.w.exp_avg_sq"}));
}

TEST(OptimizerTest, UnknownTypeIsNamedWithTheNearest) {
  auto o = options_of("adma", 0);
  try {
    make_optimizer(o, {});
    FAIL();
  } catch (const ConfigError& e) {
    EXPECT_NE(std::string(e.what()).find("adam"), std::string::npos) << e.what();
  }
}

TEST(ClipTest, ScalesAllGradientsTogether) {
  auto pair = make_pair(options_of("sgd", 0), at::kFloat);
  const auto a = values(0, at::kFloat), b = values(1, at::kFloat);
  const double norm = std::sqrt(at::cat({a, b}).to(at::kDouble).square().sum().item<double>());
  const auto set = [&] { pair.generator.mutable_grad() = a.clone(), pair.prior.mutable_grad() = b.clone(); };
  set();
  EXPECT_NEAR(clip_gradients(pair.optimizer->parameters, 0).item<double>(), norm, 1e-5 * norm);
  EXPECT_TRUE(at::equal(pair.generator.grad(), a)) << "0 only measures";
  EXPECT_NEAR(clip_gradients(pair.optimizer->parameters, 2 * norm).item<double>(), norm, 1e-5 * norm);
  EXPECT_TRUE(at::equal(pair.prior.grad(), b)) << "a norm below the bound changes nothing";
  EXPECT_NEAR(clip_gradients(pair.optimizer->parameters, norm / 4).item<double>(), norm, 1e-5 * norm);
  EXPECT_TRUE(at::allclose(pair.generator.grad(), a / 4, 1e-4, 1e-7));
  EXPECT_TRUE(at::allclose(pair.prior.grad(), b / 4, 1e-4, 1e-7));
}

TEST(ClipTest, ReportsANormThatIsNotFinite) {
  auto pair = make_pair(options_of("sgd", 0), at::kFloat);
  pair.prior.mutable_grad() = at::full({3, 7}, std::nan(""));
  EXPECT_TRUE(std::isnan(clip_gradients(pair.optimizer->parameters, 1).item<double>()));
}

}  // namespace
}  // namespace kaem
