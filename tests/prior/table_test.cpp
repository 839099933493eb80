// The tolerances of docs/mathematics.md section 2: normaliser, distribution error and round trips of the prior's table.
#include <c10/util/Exception.h>

#include <functional>

#include "kaem/core/error.h"
#include "kaem/prior/curves.h"
#include "kaem/prior/prior.h"
#include "kaem/train/optimizer.h"
#include "support/files.h"
#include "support/random_model.h"

namespace kaem::test {
namespace {

const std::vector<std::string> kReferences = {"ebm", "uniform", "gaussian", "lognormal", "learnable_gaussian"};

/// log Z of every component from the density at its mode: log p = f + log π0 - log Z.
at::Tensor log_normalisers(const std::shared_ptr<Prior>& prior, const std::string& reference) {
  const PriorCurves curves = prior->view()->distribution()->curves(501);
  const at::Tensor z = curves.z.to(at::kDouble);
  const at::Tensor exact = energies(*layer_of(prior), z) + log_reference(reference, z).reshape({-1, 1, 1});
  const at::Tensor mode = exact.argmax(0, true);
  return (exact.gather(0, mode) - curves.density.to(at::kDouble).gather(0, mode).log()).squeeze(0);
}

at::Tensor table_cdf(const std::shared_ptr<Prior>& prior, const at::Tensor& z) {
  const auto shape = prior->latent_shape();
  const auto dtype = layer_of(prior)->knots().scalar_type();
  return prior->view()
      ->distribution()
      ->cdf(z.to(dtype).reshape({-1, 1, 1}).expand({z.size(0), shape[0], shape[1]}).contiguous())
      .to(at::kDouble);
}

struct Tolerances {
  double normaliser, distribution;
};

void expect_tolerances(const PriorCase& c, Tolerances tolerances) {
  SCOPED_TRACE(str(c.basis, " degree ", c.degree, ", π0 ", c.reference, ", ", c.activation, ", energies ", c.size));
  const auto prior = random_prior(c, 17);
  const Truth truth = quadrature(prior, c.reference);
  const double normaliser = (log_normalisers(prior, c.reference) - truth.log_mass).abs().max().item<double>();
  EXPECT_LE(normaliser, tolerances.normaliser);
  EXPECT_LE((table_cdf(prior, truth.z) - truth.cdf).abs().max().item<double>(), tolerances.distribution);
}

class TableOfBasis : public ::testing::TestWithParam<std::string> {};

TEST_P(TableOfBasis, MeetsTheTolerancesForEveryReferenceDensity) {
  for (const auto& reference : kReferences)
    for (const double size : {10.0, 80.0})
      expect_tolerances({.basis = GetParam(), .reference = reference, .size = size}, {1e-5, 1e-4});
}

TEST_P(TableOfBasis, MeetsTheTolerancesForEveryBaseActivation) {
  for (const auto& activation : ops::activation_names())
    for (const double size : {10.0, 80.0})
      expect_tolerances({.basis = GetParam(), .activation = activation, .size = size}, {1e-5, 1e-4});
}

TEST_P(TableOfBasis, MeetsTheTolerancesInSinglePrecision) {
  for (const auto& reference : kReferences)
    for (const double size : {10.0, 80.0})
      expect_tolerances({.basis = GetParam(), .reference = reference, .size = size, .dtype = torch::kFloat},
                        {size > 50 ? 5e-5 : 1e-5, 1e-4});
}

/// |F(F^-1(u)) - u| and |F^-1(F(z)) - z| where the density resolves it.
void expect_round_trips(const PriorCase& c) {
  SCOPED_TRACE(
      str(c.basis, ", π0 ", c.reference, ", energies ", c.size, c.dtype == torch::kFloat ? ", float32" : ", float64"));
  const auto prior = random_prior(c, 23);
  const Truth truth = quadrature(prior, c.reference);
  const auto [a, b] = prior->domain();
  const auto options = torch::TensorOptions(c.dtype);

  const at::Tensor u = Rng(5).uniform(Stream::kTest, 0, {4000, c.outputs, c.inputs}, options);
  const auto view = prior->view();
  const CoordinateDistribution& distribution = *view->distribution();
  const at::Tensor draws = distribution.icdf(u);
  ASSERT_TRUE(draws.isfinite().all().item<bool>());
  EXPECT_TRUE(torch::logical_and(draws >= a, draws <= b).all().item<bool>());
  const at::Tensor density = densities(prior, c.reference, draws, truth) * (b - a);
  const at::Tensor allowed = 1e-6 + 1.2e-7 * density;
  EXPECT_LE(((distribution.cdf(draws) - u).abs().to(at::kDouble) - allowed).max().item<double>(), 0.0);

  const at::Tensor line = torch::linspace(a, b, 4001, torch::kDouble).slice(0, 1, -1).to(c.dtype);
  const at::Tensor z = line.reshape({-1, 1, 1}).expand({line.size(0), c.outputs, c.inputs}).contiguous();
  const at::Tensor f = distribution.cdf(z);
  const at::Tensor resolved =
      densities(prior, c.reference, z, truth) * (b - a) >= (c.dtype == torch::kFloat ? 1e-2 : 1e-9);
  const at::Tensor errors =
      (distribution.icdf(f) - z).abs().masked_select(resolved.logical_and(f > 0).logical_and(f < 1));
  ASSERT_GT(errors.numel(), 100);
  EXPECT_LE(errors.max().item<double>(), 1e-5 * (b - a));
}

TEST_P(TableOfBasis, InvertsItsDistributionFunction) {
  for (const auto& reference : kReferences)
    for (const double size : {10.0, 80.0})
      for (const auto dtype : {torch::kFloat, torch::kDouble})
        expect_round_trips({.basis = GetParam(), .reference = reference, .size = size, .dtype = dtype});
}

std::string test_name(const ::testing::TestParamInfo<std::string>& info) {
  std::string name = info.param;
  std::erase(name, '-');
  return name;
}

INSTANTIATE_TEST_SUITE_P(AllBases, TableOfBasis, ::testing::ValuesIn(basis_names()), test_name);

TEST(Table, MeetsTheTolerancesForLowBsplineDegrees) {  // degree 0 jumps at its knots, degree 1 has kinks there
  for (const int64_t degree : {0, 1, 2})
    for (const auto& activation : {"none", "relu", "silu"})
      for (const double size : {10.0, 80.0})
        expect_tolerances({.basis = "B-spline", .activation = activation, .size = size, .degree = degree},
                          {1e-5, 1e-4});
}

TEST(Table, SurvivesExtremeEnergies) {
  const auto prior = random_prior({.basis = "RBF", .size = 3000, .dtype = torch::kFloat}, 3);
  const at::Tensor z = prior->view()->sample(1000, Rng(1), Stream::kTest, 0);
  EXPECT_TRUE(z.isfinite().all().item<bool>());
  EXPECT_TRUE(prior->view()->log_prob(z).isfinite().all().item<bool>());
}

/// Keeps LibTorch's warnings instead of printing them.
struct Collector : c10::WarningHandler {
  void process(const c10::Warning& warning) override { messages.push_back(warning.msg()); }
  std::vector<std::string> messages;
};

// Equal coefficients of narrow functions: the energy is the same at every knot, and much less between them. Cells whose
// nodes are the knots would see a flat density.
TEST(Table, SeesWhatIsBetweenTheKnots) {
  for (const char* basis : {"RBF", "B-spline"})
    for (const int64_t grid : {200, 400})
      for (const char* activation : {"none", "relu"}) {
        SCOPED_TRACE(str(basis, " ", grid, " ", activation));
        const auto prior = random_prior({.basis = basis, .activation = activation, .grid = grid}, 3);
        const KanLayer layer = layer_of(prior);
        {
          const torch::NoGradGuard no_grad;
          layer->tau.fill_(0.3), layer->spline_weight.fill_(1), layer->coefficients.fill_(2);
          if (layer->base_weight.defined()) layer->base_weight.zero_();
        }
        const Truth truth = quadrature(prior, "ebm", 3000);
        EXPECT_LE((log_normalisers(prior, "ebm") - truth.log_mass).abs().max().item<double>(), 1e-5);
      }
}

TEST(Table, WarnsOfAnErrorThatCellsCannotRemove) {
  Collector collector;
  c10::WarningUtils::WarningHandlerGuard guard(&collector);
  c10::WarningUtils::WarnAlways always;
  random_prior({.size = 10}, 3)->view()->sample(1, Rng(1), Stream::kTest, 0);
  EXPECT_TRUE(collector.messages.empty());
  random_prior({.basis = "Morlet", .size = 1e9}, 3)->view()->sample(1, Rng(1), Stream::kTest, 0);
  ASSERT_EQ(collector.messages.size(), 1U);
  EXPECT_NE(collector.messages[0].find("GaussQuad_nodes"), std::string::npos);
}

// Sampling before the criterion is what made a table without a graph, or the other way round.
TEST(View, GivesTheSameWhoeverAsksFirst) {
  for (const bool mixture : {false, true}) {
    const auto prior = random_prior({.size = 2, .mixture = {.enabled = mixture, .train_proportions = mixture}}, 3);
    const at::Tensor z = prior->view()->sample(5, Rng(1), Stream::kTest, 0);
    const auto gradient = [&](bool sampled_first) {
      const auto view = prior->view();
      if (sampled_first) {
        const torch::NoGradGuard no_grad;
        view->sample(5, Rng(1), Stream::kTest, 0), view->score(z), view->log_prob(z);
      }
      view->log_prob(z).sum().backward();
      const KanLayer layer = layer_of(prior);
      const at::Tensor g = layer->coefficients.grad().clone();
      layer->coefficients.mutable_grad() = at::Tensor();
      return g;
    };
    EXPECT_TRUE(torch::equal(gradient(false), gradient(true))) << mixture;
  }
}

TEST(View, OfOneUpdateHasOneBackwardPass) {
  const auto prior = random_prior({.size = 2}, 3);
  const auto view = prior->view();
  const at::Tensor z = view->sample(5, Rng(1), Stream::kTest, 0);
  (view->log_prob(z).sum() + view->log_prob(0.5 * z).sum()).backward();  // several terms share the table
  EXPECT_THROW(view->log_prob(z).sum().backward(), c10::Error);
}

TEST(View, MadeWithoutGradientsHasNoGraph) {
  const auto prior = random_prior({.size = 2}, 3);
  std::shared_ptr<const PriorView> view;
  {
    const torch::NoGradGuard no_grad;
    view = prior->view();
  }
  EXPECT_FALSE(view->log_prob(view->sample(5, Rng(1), Stream::kTest, 0)).requires_grad());
}

// What a loop that forgot to make a new view would meet: every method says so, none answers with old values.
TEST(View, IsRefusedOnceItsParametersHaveChanged) {
  const auto refused = [](const std::function<void()>& call) {
    return message_of<Error>(call).find("after the prior's parameters had changed") != std::string::npos;
  };
  for (const bool mixture : {false, true}) {
    const auto prior = random_prior({.size = 2, .mixture = {.enabled = mixture, .train_proportions = mixture}}, 3);
    std::vector<NamedParameter> parameters;
    for (const auto& p : prior->named_parameters()) parameters.push_back({p.key(), p.value(), true});
    for (const auto& type : optimizer_names()) {
      SCOPED_TRACE(type);
      const auto optimizer = make_optimizer({.type = type, .learning_rate = 0.01}, parameters);
      const auto view = prior->view();
      const at::Tensor z = view->sample(5, Rng(1), Stream::kTest, 0);
      view->log_prob(z).sum().backward();
      optimizer->step(1);
      EXPECT_TRUE(refused([&] { view->sample(5, Rng(1), Stream::kTest, 0); }));
      EXPECT_TRUE(refused([&] { view->log_prob(z); }));
      EXPECT_TRUE(refused([&] { view->score(z); }));
      EXPECT_TRUE(refused([&] { view->weighted_log_prob(z, torch::full({5}, 0.2), Rng(1), 0); }));
      EXPECT_TRUE(refused([&] { view->distribution()->cdf(z); }));
      EXPECT_TRUE(refused([&] { view->distribution()->icdf(torch::full_like(z, 0.5)); }));
      EXPECT_TRUE(refused([&] { view->distribution()->curves(5); }));
      EXPECT_TRUE(refused([&] { view->white()->to_latent(z); }));
      EXPECT_TRUE(refused([&] { view->white()->to_white(z); }));
    }
    const auto view = prior->view();
    prior->update_grid(view->sample(200, Rng(1), Stream::kTest, 0));
    EXPECT_TRUE(refused([&] { view->sample(5, Rng(1), Stream::kTest, 0); })) << "after a grid update";
  }
}

TEST(Table, FollowsItsParameters) {
  const auto prior = random_prior({.size = 2}, 3);
  const at::Tensor z = prior->view()->sample(3, Rng(1), Stream::kTest, 0), before = prior->view()->log_prob(z).detach();
  {
    const torch::NoGradGuard no_grad;
    layer_of(prior)->spline_weight.mul_(2);
  }
  EXPECT_GT((prior->view()->log_prob(z) - before).abs().min().item<double>(), 1e-3);
}

}  // namespace
}  // namespace kaem::test
