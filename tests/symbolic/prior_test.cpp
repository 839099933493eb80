// The prior whose energies are formulas, against quadrature of the formulas.
#include <functional>

#include "kaem/core/error.h"
#include "kaem/prior/formula.h"
#include "support/differences.h"
#include "support/files.h"
#include "support/random_model.h"

namespace kaem::test {
namespace {

constexpr int64_t kP = 2, kQ = 3;
const MixtureOptions kTrained = {.enabled = true, .train_proportions = true};

/// Component (q,p) has the formula kFormulas[q·P + p]: number of its function, a, b, c, d and f by itself.
struct Known {
  int64_t function;
  std::array<double, 4> coefficients;
  std::function<double(double)> energy;
};
const std::array<Known, kP* kQ> kFormulas = {{
    {2, {-3, 1, -0.25, 7}, [](double z) { return -3 * (z - 0.25) * (z - 0.25) + 7; }},
    {7, {2.5, 5, 0.5, 0}, [](double z) { return 2.5 * std::cos(5 * z + 0.5); }},
    {5, {-4, 1, -0.375, 0}, [](double z) { return -4 * std::fabs(z - 0.375); }},
    {0, {0, 0, 0, 0}, [](double) { return 0.0; }},
    {9, {3, 8, -2, -1}, [](double z) { return 3 * std::tanh(8 * z - 2) - 1; }},
    {6, {0.5, -2.5, 0, 1}, [](double z) { return 0.5 * std::exp(-2.5 * z) + 1; }},
}};

Formulas known_formulas() {
  Formulas f{torch::empty({kQ, kP}, torch::kLong), torch::empty({kQ, kP, 4}, torch::kDouble)};
  for (int64_t i = 0; i < kP * kQ; ++i) {
    const Known& known = kFormulas[static_cast<size_t>(i)];
    f.function[i / kP][i % kP] = known.function;
    for (int64_t k = 0; k < 4; ++k) f.coefficients[i / kP][i % kP][k] = known.coefficients[static_cast<size_t>(k)];
  }
  return f;
}

struct SymbolicCase {
  std::string reference;
  MixtureOptions mixture;
};

class SymbolicPriorOf : public ::testing::TestWithParam<SymbolicCase> {
 protected:
  void SetUp() override {
    const auto& [reference, mixture] = GetParam();
    options.layer_widths = {kP, kQ}, options.reference = reference, options.mixture = mixture;
    const auto original = random_prior({.reference = reference, .inputs = kP, .outputs = kQ, .mixture = mixture}, 5);
    prior = with_formulas(*original, options, known_formulas());
    if (mixture.enabled)
      for (const auto& p : original->named_parameters())
        if (p.key() == "logits") log_alpha = p.value().detach().log_softmax(1);
    std::tie(low, high) = prior->domain();
    // log Z of each component: panels of 3 nodes, with ends at the kink of |z - 0.375|.
    const auto rule = gauss_legendre(3);
    const auto &nodes = rule.first, &weights = rule.second;
    log_mass = torch::empty({kQ, kP}, torch::kDouble);
    for (int64_t i = 0; i < kP * kQ; ++i) {
      double mass = 0;
      each_panel(high, [&](double middle, double half) {
        for (size_t k = 0; k < nodes.size(); ++k)
          mass += weights[k] * half * std::exp(log_density(i, middle + half * nodes[k]));
      });
      log_mass[i / kP][i % kP] = std::log(mass);
    }
  }

  /// Calls panel(middle, half width) on 2,000 parts of each side of the kink in [low, to].
  template <class Panel>
  void each_panel(double to, Panel&& panel) const {
    constexpr int kPanels = 2000;
    const double kink = std::clamp(0.375, low, to);
    for (const auto& [a, b] : {std::pair{low, kink}, {kink, to}})
      for (int j = 0; j < kPanels && b > a; ++j) {
        const double width = (b - a) / kPanels;
        panel(a + width * (j + 0.5), width / 2);
      }
  }

  /// f + log π0 of component i at z.
  double log_density(int64_t i, double z) const {
    const double energy = kFormulas[static_cast<size_t>(i)].energy(z), half_log = 0.5 * std::log(2 * std::numbers::pi);
    if (options.reference == "gaussian") return energy - z * z / 2 - half_log;
    if (options.reference == "lognormal") return energy - std::log(z) * std::log(z) / 2 - std::log(z) - half_log;
    return energy;
  }

  double log_component(int64_t q, int64_t p, double z) const {
    return log_density(q * kP + p, z) - log_mass[q][p].item<double>();
  }

  /// Log density of coordinate (q,p), or of q of a mixture.
  double log_coordinate(int64_t q, int64_t p, double z) const {
    if (!GetParam().mixture.enabled) return log_component(q, p, z);
    double density = 0;
    for (int64_t k = 0; k < kP; ++k) density += std::exp(log_alpha[q][k].item<double>() + log_component(q, k, z));
    return std::log(density);
  }

  PriorOptions options;
  std::shared_ptr<Prior> prior;
  at::Tensor log_alpha, log_mass;
  double low = 0, high = 0;
};

TEST_P(SymbolicPriorOf, DensityIsThatOfQuadratureOfTheFormulas) {
  const at::Tensor z = prior->view()->sample(40, Rng(2), Stream::kTest, 0);
  ASSERT_EQ(z.scalar_type(), torch::kDouble);
  const int64_t p_count = z.dim() == 3 ? kP : 1;
  const at::Tensor wide = z.reshape({40, kQ, p_count}), value = prior->view()->log_prob(z);
  for (int64_t n = 0; n < 40; ++n) {
    double truth = 0;
    for (int64_t q = 0; q < kQ; ++q)
      for (int64_t p = 0; p < p_count; ++p) truth += log_coordinate(q, p, wide[n][q][p].item<double>());
    EXPECT_NEAR(value[n].item<double>(), truth, 6e-5) << n;  // 1e-5 of each of 6 components
  }
  at::Tensor outside = z.clone();
  outside.flatten(1)[3][1] = high + 1e-3;
  EXPECT_TRUE(std::isinf(prior->view()->log_prob(outside)[3].item<double>()));
}

TEST_P(SymbolicPriorOf, DistributionIsTheIntegralOfTheDensity) {
  const auto view = prior->view();
  const int64_t p_count = GetParam().mixture.enabled ? 1 : kP;
  const auto rule = gauss_legendre(3);
  const auto &nodes = rule.first, &weights = rule.second;
  for (const double share : {0.1, 0.35, 0.6, 0.85}) {
    const double end = low + share * (high - low);
    auto shape = prior->latent_shape();
    shape.insert(shape.begin(), 1);
    const at::Tensor cdf = view->distribution()->cdf(torch::full(shape, end, torch::kDouble)).flatten();
    for (int64_t q = 0; q < kQ; ++q)
      for (int64_t p = 0; p < p_count; ++p) {
        double mass = 0;
        each_panel(end, [&](double middle, double half) {
          for (size_t k = 0; k < nodes.size(); ++k)
            mass += weights[k] * half * std::exp(log_coordinate(q, p, middle + half * nodes[k]));
        });
        EXPECT_NEAR(cdf[q * p_count + p].item<double>(), mass, 1e-4) << share << " " << q << " " << p;
      }
  }
  const at::Tensor z = view->sample(200, Rng(3), Stream::kTest, 0);
  EXPECT_LE((view->distribution()->icdf(view->distribution()->cdf(z)) - z).abs().max().item<double>(),
            1e-5 * (high - low));
}

TEST_P(SymbolicPriorOf, ScoreAndWhiteCoordinatesAreThoseOfTheDensity) {
  const auto view = prior->view();
  const at::Tensor z = view->sample(30, Rng(4), Stream::kTest, 0).clamp(low + 1e-3, high - 1e-3);
  const at::Tensor score = view->score(z).flatten(1);
  constexpr double kStep = 1e-6;
  for (int64_t i = 0; i < score.size(1); ++i) {
    at::Tensor up = z.clone(), down = z.clone();
    up.flatten(1).select(1, i).add_(kStep), down.flatten(1).select(1, i).sub_(kStep);
    const at::Tensor slope = (view->log_prob(up) - view->log_prob(down)) / (2 * kStep);
    EXPECT_LE((slope - score.select(1, i)).abs().max().item<double>(), 1e-5) << i;
  }
  at::Tensor leaf = z.clone().requires_grad_(true);  // log_prob is differentiable in z
  view->log_prob(leaf).sum().backward();
  EXPECT_LE((leaf.grad().flatten(1) - score).abs().max().item<double>(), 1e-9);

  const at::Tensor y = view->white()->to_white(z);
  const auto [back, slope] = view->white()->to_latent(y);
  EXPECT_LE((back - z).abs().max().item<double>(), 1e-5 * (high - low));
  const at::Tensor density = -y.square() / 2 - 0.5 * std::log(2 * std::numbers::pi) - slope.log();
  EXPECT_LE((density.flatten(1).sum(1) - view->log_prob(z)).abs().max().item<double>(), 1e-3);
}

INSTANTIATE_TEST_SUITE_P(Cases, SymbolicPriorOf,
                         ::testing::Values(SymbolicCase{"ebm", {}}, SymbolicCase{"gaussian", {}},
                                           SymbolicCase{"lognormal", {}}, SymbolicCase{"uniform", kTrained},
                                           SymbolicCase{"gaussian", kTrained}),
                         [](const auto& info) {
                           return info.param.reference + (info.param.mixture.enabled ? "Mixture" : "");
                         });

TEST(SymbolicPrior, KeepsWhatIsNoEnergy) {
  PriorOptions options;
  options.layer_widths = {2, 3}, options.reference = "learnable_gaussian";
  const auto original = make_prior(options, Rng(1));
  {
    const torch::NoGradGuard no_grad;
    for (auto& p : original->named_parameters())
      if (p.key() == "reference.mean") p.value().copy_(torch::tensor({0.5, -0.25}));
    original->set_flat(torch::ones({3, 2}, torch::kBool));
  }
  const Formulas flat{torch::zeros({3, 2}, torch::kLong), torch::zeros({3, 2, 4})};
  const auto made = with_formulas(*original, options, flat);
  const at::Tensor z = original->view()->sample(20, Rng(2), Stream::kTest, 0);
  EXPECT_LE((made->view()->log_prob(z) - original->view()->log_prob(z)).abs().max().item<double>(), 1e-4);
  EXPECT_LE((made->view()->sample(20, Rng(2), Stream::kTest, 0) - z).abs().max().item<double>(), 1e-4);

  // Its normaliser has the gradient of the reference, which is trained.
  const at::Tensor weight = torch::full({20}, 0.05);
  const auto gradient = [&](Prior& prior) {
    prior.view()->weighted_log_prob(z, weight, Rng(1), 0).backward();
    for (auto& p : prior.named_parameters())
      if (p.key() == "reference.mean") return p.value().grad().clone();
    return at::Tensor();
  };
  EXPECT_LE((gradient(*made) - gradient(*original)).abs().max().item<double>(), 1e-3);

  options.reference = "uniform";  // one-sided: the generator's inputs are centred
  const auto uniform = make_prior(options, Rng(1)), same = with_formulas(*uniform, options, flat);
  const at::Tensor inside = torch::full({1, 3, 2}, 0.25);
  EXPECT_TRUE(torch::equal(uniform->features(inside), same->features(inside)));
}

/// Ten periods, every one of which has its node in the same place of a coarse table: they must not look flat.
TEST(SymbolicPrior, FewNodesAreNotTakenForAPeriodicEnergy) {
  PriorOptions options;
  options.layer_widths = {1, 1}, options.quadrature_nodes = 10;
  options.basis.grid_range = {-1, 1};
  const auto original = make_prior(options, Rng(1));
  const Formulas wave{torch::full({1, 1}, 7, torch::kLong),
                      torch::tensor({3.0, 10 * std::numbers::pi, 0.0, 0.0}, torch::kDouble).reshape({1, 1, 4})};
  const auto prior = with_formulas(*original, options, wave);
  const double truth = 3 - std::log(2 * std::cyl_bessel_i(0.0, 3.0));  // log p(0): the mean of exp(3 cos) is I0(3)
  EXPECT_NEAR(prior->view()->log_prob(torch::zeros({1, 1, 1})).item<double>(), truth, 2e-5);
}

TEST(SymbolicPrior, RefusesWhatItIsNot) {
  PriorOptions deep;
  deep.layer_widths = {2, 3, 1};
  const auto prior = make_prior(deep, Rng(1));
  const Formulas none{torch::zeros({1, 1}, torch::kLong), torch::zeros({1, 1, 4})};
  EXPECT_THROW((void)with_formulas(*prior, deep, none), Error);
  EXPECT_THROW(prior->set_flat(torch::ones({1, 1}, torch::kBool)), UsageError);
  PriorOptions options;
  options.layer_widths = {1, 1};
  const auto original = make_prior(options, Rng(1));
  const auto unknown = with_formulas(*original, options, {torch::full({1, 1}, 99, torch::kLong), none.coefficients});
  EXPECT_THROW((void)unknown->view(), Error);  // of a newer version
}

}  // namespace
}  // namespace kaem::test
