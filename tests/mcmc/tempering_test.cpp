#include "kaem/mcmc/tempering.h"

#include <iostream>
#include <limits>

#include "kaem/core/error.h"
#include "mcmc/support.h"

namespace kaem::mcmc::test {
namespace {

TEST(Ladder, IsAPower) {
  EXPECT_EQ(power_ladder(4, 1), (std::vector<double>{0, 0.25, 0.5, 0.75, 1}));
  EXPECT_EQ(power_ladder(2, 3), (std::vector<double>{0, 0.125, 1}));
}

TEST(Ladder, ExponentFollowsACosine) {
  EXPECT_DOUBLE_EQ(power_at(2, 5, 3, 0), 2);
  EXPECT_DOUBLE_EQ(power_at(2, 5, 3, 1), 5);
  EXPECT_NEAR(power_at(2, 5, 0, 0.5), 3.5, 1e-14);
  EXPECT_NEAR(power_at(2, 5, 1, 1.0 / 3), 5, 1e-14);
  EXPECT_NEAR(power_at(2, 5, 1, 2.0 / 3), 2, 1e-14);
}

TEST(Ladder, RoundsDouble) {
  std::vector<int64_t> ends;
  for (int64_t count = 0; count <= 3200; ++count)
    if (ends_round(count)) ends.push_back(count);
  EXPECT_EQ(ends, (std::vector<int64_t>{100, 300, 700, 1500, 3100}));
}

TEST(AdaptedLadder, KeepsEqualRejectionsAndMovesTowardsLarge) {
  const std::vector<double> even = {0, 0.25, 0.5, 0.75, 1};
  const auto same = adapted_ladder(even, {0.3, 0.3, 0.3, 0.3});
  for (int k = 0; k < 5; ++k) EXPECT_NEAR(same[k], even[k], 1e-12);
  const auto moved = adapted_ladder(even, {0.8, 0.1, 0.1, 0.1});
  EXPECT_EQ(moved.front(), 0);
  EXPECT_EQ(moved.back(), 1);
  // 2 of the 3 inner levels go where 8/11 of the barrier is.
  EXPECT_LT(moved[2], 0.25);
  EXPECT_GT(moved[3], 0.25);
}

// Cumulative rejection of a linear barrier density Λ(t) = t(2-t): equal steps of it are t = 1 - √(1-k/n).
TEST(AdaptedLadder, InvertsASmoothBarrier) {
  std::vector<double> t, rejection;
  for (int k = 0; k <= 40; ++k) t.push_back(k / 40.0);
  for (int k = 0; k < 40; ++k) rejection.push_back(t[k + 1] * (2 - t[k + 1]) - t[k] * (2 - t[k]));
  const auto adapted = adapted_ladder(t, rejection);
  for (int k = 0; k <= 38; ++k) EXPECT_NEAR(adapted[k], 1 - std::sqrt(1 - k / 40.0), 1e-3) << k;
}

TEST(AdaptedLadder, StandsZeroAndCertainRejections) {
  const std::vector<double> t = {0, 1e-6, 0.1, 0.2, 0.9, 1};
  EXPECT_EQ(adapted_ladder(t, {0, 0, 0, 0, 0}), t);
  for (const std::vector<double>& rejection : std::vector<std::vector<double>>{
           {1, 1, 1, 1, 1}, {1, 0, 0, 0, 1}, {0, 0, 1, 0, 0}, {0, 1e-12, 0, 1, 0}, {1, 0, 0, 0, 0}}) {
    const auto adapted = adapted_ladder(t, rejection);
    EXPECT_EQ(adapted.front(), 0);
    EXPECT_EQ(adapted.back(), 1);
    for (size_t k = 0; k + 1 < adapted.size(); ++k) EXPECT_LT(adapted[k], adapted[k + 1]);
  }
  EXPECT_THROW(adapted_ladder(t, {1, 1}), UsageError);
  EXPECT_THROW(adapted_ladder({0, 0, 1}, {1, 1}), UsageError);
}

TEST(Schemes, HaveNames) {
  EXPECT_EQ(parse_scheme("deo"), Scheme::kDeo);
  EXPECT_EQ(parse_scheme("random"), Scheme::kRandom);
  EXPECT_EQ(parse_scheme("none"), Scheme::kNone);
  EXPECT_THROW(parse_scheme("all"), ConfigError);
}

/// A state whose every tensor tells level, datum and chain: 100 level + 10 datum + chain.
State labelled(const at::Tensor& log_likelihood) {
  const at::Tensor label = 100 * torch::arange(log_likelihood.size(0), torch::kDouble).view({-1, 1, 1}) +
                           10 * torch::arange(log_likelihood.size(1), torch::kDouble).view({-1, 1}) +
                           torch::arange(log_likelihood.size(2), torch::kDouble);
  const at::Tensor z = label.unsqueeze(-1).expand({-1, -1, -1, 2}).contiguous();
  return {.z = z, .white = 2 * z, .prior = {3 * label, 4 * z}, .likelihood = {log_likelihood, 5 * z}};
}

Draws constant_draws(double u) {
  return {[](at::IntArrayRef shape, at::TensorOptions options) { return torch::zeros(shape, options); },
          [u](at::IntArrayRef shape, at::TensorOptions options) { return torch::full(shape, u, options); }};
}

TEST(Exchange, SwapsAllOfAStateByTheProbability) {
  // Pair (0,1): log probability (0 - .5)(ℓ1 - ℓ0); chain 0 has log(.25), chain 1 has 0. Pair (2,3): -inf and not a
  // number.
  const double infinity = std::numeric_limits<double>::infinity();
  const at::Tensor l =
      torch::tensor({0.0, 1.0, -2 * std::log(0.25), 0.5, 7.0, -infinity, infinity, -infinity}, torch::kDouble)
          .view({4, 1, 2});
  const at::Tensor temperature = row({0, 0.5, 0.75, 1});
  const State state = labelled(l);
  for (const double u : {0.24, 0.26}) {
    ExchangeLog log(4, 1, 2, torch::kDouble);
    Draws draws = constant_draws(u);
    const State next = exchange(state, temperature, Scheme::kDeo, draws, log);
    const double first = u < 0.25 ? 100 : 0;
    EXPECT_TRUE(torch::equal(next.z.select(3, 0).view({4, 2}),
                             row({first, 101, 100 - first, 1, 200, 201, 300, 301}).view({4, 2})));
    EXPECT_TRUE(torch::equal(next.white, 2 * next.z));
    EXPECT_TRUE(torch::equal(next.prior.log_density, 3 * next.z.select(3, 0)));
    EXPECT_TRUE(torch::equal(next.prior.gradient, 4 * next.z));
    EXPECT_TRUE(torch::equal(next.likelihood.gradient, 5 * next.z));
    EXPECT_EQ(next.likelihood.log_density[0][0][1].item<double>(), 0.5);
    // Probabilities, not outcomes: (.25 + 1)/2 and 0.
    EXPECT_TRUE(torch::allclose(log.rejection_sum, row({0.375, 0, 1})));
    EXPECT_TRUE(torch::equal(log.attempts, row({1, 0, 1})));
    const double none = std::numeric_limits<double>::quiet_NaN();  // a pair that was not tried has no rate
    EXPECT_TRUE(torch::allclose(log.swap_rate(), row({0.625, none, 0}), 1e-5, 1e-8, /*equal_nan=*/true));
    EXPECT_NEAR(log.barrier().item<double>(), 1.375, 1e-12);
    EXPECT_EQ(log.count, 1);
  }
}

// Chains that go on in another log try the pairs whose turn it is, and where every log has but one exchange all pairs
// are tried none the less.
TEST(Exchange, PairsGoOnAlternatingFromLogToLog) {
  const State state = labelled(torch::zeros({5, 1, 3}, torch::kDouble));
  const at::Tensor temperature = row({0, 0.25, 0.5, 0.75, 1});
  for (const int64_t each : {1, 3}) {
    at::Tensor attempts = torch::zeros({4}, torch::kDouble);
    for (int64_t update = 0; update < 4; ++update) {
      ExchangeLog log(5, 1, 3, torch::kDouble, update * each);
      Draws draws = constant_draws(0.5);
      for (int64_t i = 0; i < each; ++i) exchange(state, temperature, Scheme::kDeo, draws, log);
      attempts += log.attempts;
    }
    EXPECT_TRUE(torch::equal(attempts, torch::full({4}, 2.0 * static_cast<double>(each), torch::kDouble))) << attempts;
  }
}

// Latents of two axes, with a likelihood's gradient that repeats one number along the last: it stays one in memory.
TEST(Exchange, InAStepIsThatOfTheJoinedState) {
  const at::Tensor l = 3 * Rng(1).normal(Stream::kTest, 25, {4, 2, 5}, torch::kDouble);
  State state = labelled(l);
  state.z = state.z.unsqueeze(3).expand({-1, -1, -1, 3, -1}).contiguous();
  state.white = at::Tensor(), state.prior.gradient = 4 * state.z;
  state.likelihood.gradient = (5 * state.z.select(-1, 0)).unsqueeze(-1).expand_as(state.z);
  const Kernel still{{}, [](const State& x, Draws&) { return std::pair(x, Info{}); }};
  const at::Tensor temperature = row({0, 0.2, 0.5, 1});
  ExchangeLog log(4, 2, 5, torch::kDouble), log_of_step(4, 2, 5, torch::kDouble);
  State expected = state;
  for (int round = 0; round < 4; ++round) {
    Draws draws = make_draws(Rng(1), Stream::kTest, 30 + round), same = make_draws(Rng(1), Stream::kTest, 30 + round);
    expected = exchange(expected, temperature, Scheme::kDeo, draws, log);
    const State before = state;
    state = tempered_step(
        state, still, [&](Draws&) { return slice(before, 0, 1); }, temperature, Scheme::kDeo, same, log_of_step);
    EXPECT_TRUE(torch::equal(state.z, expected.z));
    EXPECT_TRUE(torch::equal(state.prior.gradient, 4 * state.z));
    EXPECT_TRUE(torch::equal(state.likelihood.gradient, (5 * state.z.select(-1, 0)).unsqueeze(-1).expand_as(state.z)));
    EXPECT_TRUE(torch::equal(state.likelihood.log_density, expected.likelihood.log_density));
    EXPECT_EQ(state.likelihood.gradient.stride(-1), 0);
    EXPECT_TRUE(torch::equal(log.replica, log_of_step.replica));
  }
  EXPECT_FALSE(torch::equal(log.replica.select(0, 0), torch::zeros({2, 5}, torch::kLong))) << "nobody traded";
}

// Chains that the kernel has moved without gradients trade with a level 0 that has them: z and values go on.
TEST(Exchange, AfterTheLastStepNeedsNoGradients) {
  const State state = labelled(3 * Rng(1).normal(Stream::kTest, 26, {3, 2, 20}, torch::kDouble));
  const auto stay = [](const State& x, Draws&) { return std::pair(x, Info{}); };
  const Kernel still{{}, stay, [](const State& x, Draws&) {
                       return std::pair(State{.z = x.z, .likelihood = {x.likelihood.log_density}}, Info{});
                     }};
  const auto end = [&](bool last) {
    Draws draws = make_draws(Rng(1), Stream::kTest, 27);
    ExchangeLog log(3, 2, 20, torch::kDouble);
    return tempered_step(
        state, still, [&](Draws&) { return slice(state, 0, 1); }, row({0, 0.3, 1}), Scheme::kDeo, draws, log, nullptr,
        last);
  };
  const State middle = end(false), last = end(true);
  EXPECT_FALSE(torch::equal(last.z, state.z)) << "nobody traded";
  EXPECT_TRUE(torch::equal(last.z, middle.z));
  EXPECT_TRUE(torch::equal(last.likelihood.log_density, middle.likelihood.log_density));
  EXPECT_FALSE(last.prior.gradient.defined() || last.likelihood.gradient.defined());
}

TEST(Exchange, TriesThePairsOfItsScheme) {
  const at::Tensor l = torch::zeros({5, 2, 3}, torch::kDouble), temperature = row({0, 0.1, 0.2, 0.5, 1});
  const auto attempts = [&](Scheme scheme, int64_t rounds) {
    ExchangeLog log(5, 2, 3, torch::kDouble);
    Draws draws = make_draws(Rng(1), Stream::kTest, 20);
    State state = labelled(l);
    for (int64_t k = 0; k < rounds; ++k) state = exchange(state, temperature, scheme, draws, log);
    EXPECT_EQ(log.count, rounds);
    return log.attempts;
  };
  EXPECT_TRUE(torch::equal(attempts(Scheme::kDeo, 1), row({1, 0, 1, 0})));
  EXPECT_TRUE(torch::equal(attempts(Scheme::kDeo, 2), row({1, 1, 1, 1})));
  EXPECT_TRUE(torch::equal(attempts(Scheme::kDeo, 3), row({2, 1, 2, 1})));
  EXPECT_TRUE(torch::equal(attempts(Scheme::kNone, 3), row({0, 0, 0, 0})));
  // A coin: 500 of 1000 within 6 standard deviations (false-alarm rate 2e-9).
  const at::Tensor random = attempts(Scheme::kRandom, 1000);
  EXPECT_NEAR(random[0].item<double>(), 500, 95);
  EXPECT_EQ(random[0].item<double>() + random[1].item<double>(), 1000);
}

// Three levels, every swap accepted under DEO: levels hold replicas 012, 102, 120, 210, 201, 021, 012, ... Replica 0 is
// at the top after exchange 2 and back after 5; replica 1 at level 0 after 1, at the top after 4, back after 7. Replica
// 2, at the top from the start, is first at level 0 after 3, which is no trip, and back from its first after 9.
TEST(Exchange, CountsRoundTripsOfReplicas) {
  ExchangeLog log(3, 1, 1, torch::kDouble);
  Draws draws = constant_draws(0.5);
  State state = labelled(torch::zeros({3, 1, 1}, torch::kDouble));
  const std::vector<std::vector<int64_t>> replicas = {{1, 0, 2}, {1, 2, 0}, {2, 1, 0}, {2, 0, 1}, {0, 2, 1},
                                                      {0, 1, 2}, {1, 0, 2}, {1, 2, 0}, {2, 1, 0}};
  const std::vector<int64_t> trips = {0, 0, 0, 0, 1, 1, 2, 2, 3};
  for (size_t k = 0; k < replicas.size(); ++k) {
    state = exchange(state, row({0, 0.5, 1}), Scheme::kDeo, draws, log);
    EXPECT_TRUE(torch::equal(log.replica.flatten(), torch::tensor(replicas[k]))) << k;
    EXPECT_TRUE(torch::equal(state.z.select(3, 0).flatten(), 100 * log.replica.flatten().to(torch::kDouble))) << k;
    EXPECT_EQ(log.round_trips.item<int64_t>(), trips[k]) << k;
  }
}

TEST(Exchange, OfDataIsTheSameForEveryOrder) {
  const at::Tensor order = torch::tensor({2, 0, 1}), temperature = row({0, 0.2, 0.5, 1});
  const at::Tensor l = 4 * Rng(1).normal(Stream::kTest, 21, {4, 3, 50}, torch::kDouble);
  const auto run_with = [&](const at::Tensor& log_likelihood, const Draws& numbers, ExchangeLog& log) {
    Draws draws = numbers;
    State state = labelled(log_likelihood);
    for (int k = 0; k < 7; ++k) state = exchange(state, temperature, Scheme::kDeo, draws, log);
    return state.likelihood.log_density;
  };
  const Draws plain = make_draws(Rng(1), Stream::kTest, 22), copy = make_draws(Rng(1), Stream::kTest, 22);
  const Draws permuted = {copy.normal, [=](at::IntArrayRef shape, at::TensorOptions options) {
                            return copy.uniform(shape, options).index_select(1, order);
                          }};
  ExchangeLog a(4, 3, 50, torch::kDouble), b(4, 3, 50, torch::kDouble);
  const at::Tensor x = run_with(l, plain, a), y = run_with(l.index_select(1, order), permuted, b);
  EXPECT_FALSE(torch::equal(x, l));
  EXPECT_TRUE(torch::equal(x.index_select(1, order), y));
  EXPECT_TRUE(torch::equal(a.replica.index_select(1, order), b.replica));
  EXPECT_TRUE(torch::equal(a.round_trips.index_select(0, order), b.round_trips));
}

/// A "kernel" that draws from the target afresh at each step, so that only exchanges are tested: N(0,1) priors in D
/// dimensions with ℓ = -½ precision ‖z‖².
struct IndependentGaussian {
  at::Tensor temperature;
  double precision;
  int64_t dimensions;

  State state(const at::Tensor& z) const {
    return {.z = z, .white = {}, .prior = {}, .likelihood = {-0.5 * precision * z.square().sum(-1), -precision * z}};
  }
  State draw(const State& like, Draws& draws) const {
    const at::Tensor scale = (1 + precision * temperature).rsqrt().view({-1, 1, 1, 1});
    return state(scale * draws.normal(like.z.sizes(), like.z.options()));
  }
  /// Draws and exchanges `rounds` times.
  void run(Scheme scheme, int64_t rounds, int64_t chains, Draws& draws, ExchangeLog& log) const {
    State current = state(torch::zeros({temperature.size(0), 1, chains, dimensions}, torch::kDouble));
    for (int64_t k = 0; k < rounds; ++k) current = exchange(draw(current, draws), temperature, scheme, draws, log);
  }
};

TEST(AdaptedLadder, EvensTheSwapRatesInFourRounds) {
  constexpr int64_t kLevels = 11, kChains = 100;
  std::vector<double> ladder = power_ladder(kLevels - 1, 1);
  Draws draws = make_draws(Rng(4), Stream::kTest, 23);
  const auto rates = [&](int64_t exchanges) {
    ExchangeLog log(kLevels, 1, kChains, torch::kDouble);
    IndependentGaussian{row(ladder), 500, 4}.run(Scheme::kDeo, exchanges, kChains, draws, log);
    EXPECT_LE(log.barrier().item<double>(), 10 / 1.5);
    return log.swap_rate();
  };
  const at::Tensor before = rates(100);
  for (int64_t round = 0; round < 4; ++round) {
    const at::Tensor rejection = 1 - rates((int64_t{1} << round) * 100);
    const double* first = rejection.const_data_ptr<double>();
    ladder = adapted_ladder(ladder, {first, first + kLevels - 1});
  }
  const at::Tensor after = rates(1000);
  std::cout << "swap rates from " << before.min().item<double>() << "..." << before.max().item<double>() << " to "
            << after.min().item<double>() << "..." << after.max().item<double>() << "\n";
  EXPECT_GT((before.max() - before.min()).item<double>(), 0.3);
  EXPECT_LT((after.max() - after.min()).item<double>(), 0.1);
}

TEST(Exchange, DeoMakesMoreRoundTripsThanACoin) {
  constexpr int64_t kLevels = 11, kChains = 200, kRounds = 1000;
  const IndependentGaussian target{row(power_ladder(kLevels - 1, 2.5)), 20, 4};
  const auto trips = [&](Scheme scheme) {
    ExchangeLog log(kLevels, 1, kChains, torch::kDouble);
    Draws draws = make_draws(Rng(5), Stream::kTest, 24);
    target.run(scheme, kRounds, kChains, draws, log);
    EXPECT_LE(log.barrier().item<double>(), 3);
    std::cout << "barrier " << log.barrier().item<double>() << ": ";
    return log.round_trips.to(torch::kDouble).mean().item<double>();
  };
  const double deo = trips(Scheme::kDeo), random = trips(Scheme::kRandom);
  std::cout << "\nround trips in " << kRounds << " exchanges: DEO " << deo << ", random " << random << "\n";
  EXPECT_GE(deo, 1.5 * random);
  EXPECT_GT(random, 1);
}

}  // namespace
}  // namespace kaem::mcmc::test
