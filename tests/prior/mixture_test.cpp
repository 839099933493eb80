// The mixture prior against brute-force quadrature, autograd and central differences.
#include <map>

#include "kaem/core/error.h"
#include "kaem/prior/prior.h"
#include "support/differences.h"
#include "support/kolmogorov.h"
#include "support/random_model.h"

namespace kaem::test {
namespace {

const MixtureOptions kEqual = {.enabled = true};
const MixtureOptions kTrained = {.enabled = true, .train_proportions = true};
const MixtureOptions kAttention = {.enabled = true, .use_attention_kernel = true};
const std::vector<MixtureOptions> kKinds = {kEqual, kTrained, kAttention};
const std::vector<std::string> kReferences = {"ebm", "gaussian", "lognormal", "learnable_gaussian"};

at::Tensor named(const std::shared_ptr<Prior>& prior, const std::string& name) {
  const auto parameters = prior->named_parameters(), buffers = prior->named_buffers();
  return parameters.contains(name) ? parameters[name] : buffers[name];
}

/// α [Q,P] from the parameters.
at::Tensor proportions(const std::shared_ptr<Prior>& prior, const MixtureOptions& mixture) {
  const torch::NoGradGuard no_grad;
  const KanLayer layer = layer_of(prior);
  if (mixture.train_proportions) return named(prior, "logits").to(torch::kDouble).softmax(1);
  if (!mixture.use_attention_kernel)
    return torch::full({layer->outputs, layer->inputs}, 1.0 / static_cast<double>(layer->inputs), torch::kDouble);
  const at::Tensor moment = named(prior, "second_moment").unsqueeze(1);
  return (named(prior, "query") * named(prior, "key") * moment).to(torch::kDouble).softmax(1);
}

/// One coordinate's z [K] for all q: [K,Q].
at::Tensor for_all(const at::Tensor& z, int64_t q) { return z.unsqueeze(1).expand({z.size(0), q}).contiguous(); }

/// F_q at the quadrature's panel ends: [K,Q].
at::Tensor mixture_cdf(const Truth& truth, const at::Tensor& alpha) { return (truth.cdf * alpha).sum(2); }

struct Mixture {
  Mixture(PriorCase prior_case, uint64_t seed) : c(prior_case) {
    prior = random_prior(c, seed);
    truth = quadrature(prior, c.reference);
    alpha = proportions(prior, c.mixture);
  }
  /// log p(z) [S] of z [S,Q] by its definition.
  at::Tensor log_prob(const at::Tensor& z) const {
    const at::Tensor all = z.to(torch::kDouble).unsqueeze(-1).expand({z.size(0), z.size(1), c.inputs}).contiguous();
    return (densities(prior, c.reference, all, truth) * alpha).sum(2).log().sum(1);
  }
  PriorCase c;
  std::shared_ptr<Prior> prior;
  Truth truth;
  at::Tensor alpha;
};

class MixtureOfBasis : public ::testing::TestWithParam<std::string> {};

TEST_P(MixtureOfBasis, DensityAndDistributionAreThoseOfQuadrature) {
  size_t kind = 0;
  for (const auto& reference : kReferences)
    for (const bool trained_knots : {false, true}) {
      SCOPED_TRACE(str(reference, trained_knots ? ", trained knots" : ""));
      const Mixture m({.basis = GetParam(),
                       .reference = reference,
                       .mixture = kKinds[kind++ % 3],
                       .trainable_knots = trained_knots},
                      7);
      EXPECT_LE((m.prior->view()->distribution()->cdf(for_all(m.truth.z, 3)) - mixture_cdf(m.truth, m.alpha))
                    .abs()
                    .max()
                    .item<double>(),
                1e-4);
      const at::Tensor z = m.prior->view()->sample(50, Rng(2), Stream::kTest, 0);
      EXPECT_EQ(z.sizes(), (std::vector<int64_t>{50, 3}));
      EXPECT_LE((m.prior->view()->log_prob(z) - m.log_prob(z)).abs().max().item<double>(), 1e-4);
      at::Tensor outside = z.clone();
      outside[3][1] = m.prior->domain().second + 1e-3;
      EXPECT_TRUE(std::isinf(m.prior->view()->log_prob(outside)[3].item<double>()));
    }
}

// 18 tests of 10^5 draws for each of 3 coordinates: the suite's false-alarm rate is 1e-6.
TEST_P(MixtureOfBasis, DrawsFollowTheDistribution) {
  for (const auto& mixture : {kTrained, kAttention}) {
    const Mixture m({.basis = GetParam(), .reference = "gaussian", .dtype = torch::kFloat, .mixture = mixture}, 11);
    const at::Tensor z = m.prior->view()->sample(100'000, Rng(3), Stream::kTest, 0).to(torch::kDouble);
    const at::Tensor f = mixture_cdf(m.truth, m.alpha);
    for (int64_t q = 0; q < 3; ++q) {
      const at::Tensor zq = z.select(1, q).contiguous();
      const at::Tensor right = torch::searchsorted(m.truth.z, zq).clamp(1, m.truth.z.size(0) - 1), left = right - 1;
      const at::Tensor fq = f.select(1, q).contiguous(), x0 = m.truth.z.take(left);
      const at::Tensor share = ((zq - x0) / (m.truth.z.take(right) - x0).clamp_min(1e-300)).clamp(0, 1);
      EXPECT_GT(kolmogorov_p(fq.take(left) + share * (fq.take(right) - fq.take(left))), 1e-6 / (18 * 3));
    }
  }
}

TEST_P(MixtureOfBasis, InvertsItsDistributionFunction) {
  const Mixture m({.basis = GetParam(), .reference = "gaussian", .mixture = kTrained}, 13);
  const auto [a, b] = m.prior->domain();
  const at::Tensor u = Rng(5).uniform(Stream::kTest, 0, {2000, 3}, torch::kDouble),
                   z = m.prior->view()->distribution()->icdf(u);
  EXPECT_TRUE(torch::logical_and(z >= a, z <= b).all().item<bool>());
  EXPECT_LE((m.prior->view()->distribution()->cdf(z) - u).abs().max().item<double>(), 1e-6);
  EXPECT_LE(
      (m.prior->view()->distribution()->icdf(m.prior->view()->distribution()->cdf(z)) - z).abs().max().item<double>(),
      1e-5 * (b - a));
}

TEST_P(MixtureOfBasis, ScoreIsTheDerivative) {
  size_t kind = 0;
  for (const auto& reference : kReferences)
    for (const bool trained_knots : {false, true}) {
      const Mixture m({.basis = GetParam(),
                       .reference = reference,
                       .size = 4,
                       .mixture = kKinds[kind++ % 3],
                       .trainable_knots = trained_knots},
                      17);
      const auto [a, b] = m.prior->domain();
      const at::Tensor z = m.prior->view()->sample(20, Rng(2), Stream::kTest, 0).clamp(a + 0.01, b - 0.01);
      const at::Tensor score = m.prior->view()->score(z);
      const double size = 1 + score.abs().max().item<double>();
      at::Tensor leaf = z.clone().requires_grad_();
      m.prior->view()->log_prob(leaf).sum().backward();
      EXPECT_LE((leaf.grad() - score).abs().max().item<double>(), 1e-10 * size);
      const torch::NoGradGuard no_grad;
      constexpr double kStep = 1e-5;
      for (int64_t q = 0; q < 3; ++q) {
        at::Tensor up = z.clone(), down = z.clone();
        up.select(1, q).add_(kStep), down.select(1, q).sub_(kStep);
        const at::Tensor slope = (m.prior->view()->log_prob(up) - m.prior->view()->log_prob(down)) / (2 * kStep);
        EXPECT_LE((score.select(1, q) - slope).abs().max().item<double>(), 1e-5 * size);
      }
    }
}

/// Loss of the prior alone: weighted log p and the penalty.
at::Tensor loss_of(const std::shared_ptr<Prior>& prior, const at::Tensor& z, const at::Tensor& weight, int64_t step) {
  const at::Tensor value = prior->view()->weighted_log_prob(z, weight, Rng(1), step), penalty = prior->penalty();
  return penalty.defined() ? penalty - value : -value;
}

struct Points {
  explicit Points(const std::shared_ptr<Prior>& prior) {
    const auto [a, b] = prior->domain();
    z = prior->view()->sample(6, Rng(2), Stream::kTest, 0).clamp(a + 0.01, b - 0.01);
    weight = Rng(4).uniform(Stream::kTest, 1, {6}, torch::kDouble);
    weight = weight / weight.sum();
  }
  at::Tensor z, weight;
};

void expect_gradients(const std::shared_ptr<Prior>& prior) {
  const Points points(prior);
  const at::Tensor loss = loss_of(prior, points.z, points.weight, 0);
  loss.backward();
  for (auto& parameter : prior->named_parameters()) {
    ASSERT_TRUE(parameter.value().grad().defined()) << parameter.key();
    const at::Tensor gradient = parameter.value().grad().flatten();
    const double bound = 1e-6 * gradient.abs().max().item<double>() + 1e-9 * std::abs(loss.item<double>());
    const at::Tensor flat = parameter.value().detach().view(-1);
    const auto value = [&] { return loss_of(prior, points.z, points.weight, 0); };
    for (int64_t i = 0; i < flat.numel(); i += std::max<int64_t>(1, flat.numel() / 8))
      EXPECT_NEAR(gradient[i].item<double>(), difference(flat, i, 2e-4, value), bound) << parameter.key() << " " << i;
  }
}

TEST_P(MixtureOfBasis, GradientsMatchDifferences) {
  MixtureOptions trained = kTrained, attention = kAttention;
  trained.lambda_reg = 0.3, attention.lambda_reg = 2;
  for (const auto& mixture : {trained, attention})
    for (const bool trained_knots : {false, true}) {
      SCOPED_TRACE(trained_knots);
      expect_gradients(random_prior({.basis = GetParam(),
                                     .reference = "learnable_gaussian",
                                     .size = 2,
                                     .grid = 5,
                                     .mixture = mixture,
                                     .trainable_knots = trained_knots},
                                    19));
    }
}

std::string test_name(const ::testing::TestParamInfo<std::string>& info) {
  std::string name = info.param;
  std::erase(name, '-');
  return name;
}

INSTANTIATE_TEST_SUITE_P(AllBases, MixtureOfBasis, ::testing::ValuesIn(basis_names()), test_name);

// The mean gradient over 400 steps of 6 draws each lies within 6 standard errors of the table's, for every parameter
// (about 80 numbers: false-alarm rate 80 x 2e-9).
TEST(Mixture, ContrastiveDivergenceIsTheTableInExpectation) {
  PriorCase c = {.reference = "learnable_gaussian", .size = 3, .grid = 4, .mixture = kTrained};
  const auto exact = random_prior(c, 23);
  c.contrastive = true;
  const auto sampled = random_prior(c, 23);
  const Points points(exact);
  loss_of(exact, points.z, points.weight, 0).backward();
  std::map<std::string, at::Tensor> sum, squares;
  constexpr int kSteps = 400;
  double value = 0;
  for (int step = 0; step < kSteps; ++step) {
    sampled->zero_grad();
    const at::Tensor loss = loss_of(sampled, points.z, points.weight, step);
    value = loss.item<double>();
    loss.backward();
    for (auto& p : sampled->named_parameters()) {
      const at::Tensor g = p.value().grad();
      sum[p.key()] = sum.contains(p.key()) ? sum[p.key()] + g : g.clone();
      squares[p.key()] = squares.contains(p.key()) ? squares[p.key()] + g.square() : g.square();
    }
  }
  EXPECT_NEAR(value, loss_of(exact, points.z, points.weight, 0).item<double>(), 1e-10);
  for (auto& p : exact->named_parameters()) {
    const at::Tensor mean = sum[p.key()] / kSteps, variance = squares[p.key()] / kSteps - mean.square();
    const at::Tensor error = (variance.clamp_min(0) / kSteps).sqrt();
    EXPECT_LT(((mean - p.value().grad()).abs() - 6 * error).max().item<double>(), 1e-10) << p.key();
  }
}

TEST(Mixture, ProportionsSumToOneAndMoveByStatisticsOnly) {
  const Mixture m({.mixture = kAttention}, 29);
  EXPECT_LE((m.alpha.sum(1) - 1).abs().max().item<double>(), 1e-12);
  const at::Tensor before = named(m.prior, "second_moment").clone();
  const at::Tensor z = m.prior->view()->sample(8, Rng(2), Stream::kTest, 0);
  const at::Tensor density = m.prior->view()->log_prob(z).detach();
  m.prior->view()->score(z), m.prior->update_grid(z), m.prior->view()->sample(8, Rng(2), Stream::kTest, 1);
  EXPECT_TRUE(torch::equal(named(m.prior, "second_moment"), before));
  m.prior->update_statistics(Rng(2), 5);
  const at::Tensor draws = m.prior->view()->sample(200'000, Rng(3), Stream::kTest, 2).square().mean(0);
  const at::Tensor after = named(m.prior, "second_moment");
  EXPECT_FALSE(torch::equal(after, before));
  // 256 draws in [-1.2,1.2]²: z² has a standard deviation below 0.72, so the mean's is 0.045; 6 of them.
  EXPECT_LE(((after - 0.99 * before) / 0.01 - draws).abs().max().item<double>(), 6 * 0.045 + 0.02);
  EXPECT_GT((m.prior->view()->log_prob(z) - density).abs().max().item<double>(), 0);
}

TEST(Mixture, PenaltyIsTheEntropy) {
  MixtureOptions mixture = kTrained;
  EXPECT_FALSE(Mixture({.mixture = mixture}, 29).prior->penalty().defined());
  mixture.lambda_reg = 0.5;
  const Mixture m({.mixture = mixture}, 29);
  EXPECT_NEAR(m.prior->penalty().item<double>(), -0.5 * (m.alpha * m.alpha.log()).sum().item<double>(), 1e-12);
}

TEST(Mixture, GridUpdatesKeepTheInputsKnotsEqual) {
  for (const auto dtype : {torch::kFloat, torch::kDouble}) {
    const auto prior = random_prior({.size = 0.5, .dtype = dtype, .mixture = kTrained}, 31);
    const at::Tensor before = layer_of(prior)->knots().clone();
    prior->update_grid(prior->view()->sample(300, Rng(2), Stream::kTest, 0).pow(3));
    const at::Tensor knots = layer_of(prior)->knots();
    EXPECT_TRUE(torch::equal(knots, knots.slice(0, 0, 1).expand_as(knots)));
    EXPECT_TRUE(torch::equal(knots.select(1, 0), before.select(1, 0)));
  }
}

TEST(Mixture, FusedOperatorsGiveWhatTheReferenceGives) {
  for (const bool trained_knots : {false, true}) {
    const auto wide = random_prior({.size = 3, .mixture = kTrained, .trainable_knots = trained_knots}, 37);
    const auto narrow =
        random_prior({.size = 3, .dtype = torch::kFloat, .mixture = kTrained, .trainable_knots = trained_knots}, 37);
    const Points points(wide);
    loss_of(wide, points.z, points.weight, 0).backward();
    loss_of(narrow, points.z.to(torch::kFloat), points.weight.to(torch::kFloat), 0).backward();
    for (auto& p : wide->named_parameters()) {
      const at::Tensor got = narrow->named_parameters()[p.key()].grad().to(torch::kDouble), want = p.value().grad();
      EXPECT_LE((got - want).abs().max().item<double>(), 1e-3 * want.abs().max().item<double>()) << p.key();
    }
  }
}

TEST(Mixture, DrawsDependOnSeedStepAndIndexAlone) {
  const auto prior = random_prior({.dtype = torch::kFloat, .mixture = kTrained}, 5);
  const at::Tensor whole = prior->view()->sample(10, Rng(4), Stream::kTest, 2);
  EXPECT_TRUE(torch::equal(whole.slice(0, 6), prior->view()->sample(4, Rng(4), Stream::kTest, 2, 6)));
  EXPECT_FALSE(torch::equal(whole, prior->view()->sample(10, Rng(4), Stream::kTest, 3)));
}

TEST(Mixture, RefusesTwoKindsOfProportions) {
  PriorOptions options;
  options.mixture = {.enabled = true, .train_proportions = true, .use_attention_kernel = true};
  EXPECT_THROW(make_prior(options, Rng(1)), ConfigError);
}

// White coordinates: round trip, and dz/dy against differences, for the univariate prior and the mixture.
TEST(WhiteCoordinates, GoBackAndForth) {
  for (const bool mixture : {false, true})
    for (const auto& reference : kReferences) {
      SCOPED_TRACE(str(reference, mixture ? ", mixture" : ""));
      const auto prior =
          random_prior({.reference = reference, .size = 4, .mixture = mixture ? kTrained : MixtureOptions{}}, 41);
      auto shape = prior->latent_shape();
      shape.insert(shape.begin(), 200);
      const at::Tensor y = 0.8 * Rng(6).normal(Stream::kTest, 0, shape, torch::kDouble);
      const auto [z, slope] = prior->view()->white()->to_latent(y);
      EXPECT_LE((prior->view()->white()->to_white(z) - y).abs().max().item<double>(), 1e-6);
      constexpr double kStep = 1e-3;
      const at::Tensor difference =
          (prior->view()->white()->to_latent(y + kStep).first - prior->view()->white()->to_latent(y - kStep).first) /
          (2 * kStep);
      // The slope has the density itself, the difference the table's log-linear one: they agree to the cells' size.
      EXPECT_LE(((difference - slope).abs() / slope).max().item<double>(), 0.02);
      EXPECT_LE(((difference - slope).abs() / slope).mean().item<double>(), 2e-3);
    }
}

}  // namespace
}  // namespace kaem::test
