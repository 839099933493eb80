// Priors with trainable knots: the table's gradient with respect to them, cell edges included.
#include "kaem/prior/prior.h"
#include "support/differences.h"
#include "support/random_model.h"

namespace kaem::test {
namespace {

struct KnotCase {
  std::string basis;
  int64_t degree;
  std::string activation;
};

// log p at fixed points: energies and log Z together. B-splines of degree 0 and 1 need the edges' own share: their
// densities jump or bend at the knots.
TEST(PriorWithTrainableKnots, HasTheGradientOfItsTable) {
  std::vector<KnotCase> cases = {{"B-spline", 0, "silu"}, {"B-spline", 1, "relu"}, {"B-spline", 2, "none"}};
  for (const auto& basis : basis_names())
    if (basis != "FFT" && basis != "Cheby") cases.push_back({basis, 3, "relu"});
  for (const auto& c : cases) {
    SCOPED_TRACE(str(c.basis, " ", c.degree));
    const auto prior = random_prior({.basis = c.basis,
                                     .reference = "gaussian",
                                     .activation = c.activation,
                                     .size = 5,
                                     .degree = c.degree,
                                     .grid = 5,
                                     .trainable_knots = true},
                                    3);
    const at::Tensor z = prior->view()->sample(4, Rng(2), Stream::kTest, 0);
    const auto value = [&] { return prior->view()->log_prob(z).sum(); };
    value().backward();
    for (const at::Tensor& parameter : knot_parameters(layer_of(prior))) {
      const at::Tensor gradient = parameter.grad().flatten();
      const double bound = 1e-6 * (1 + gradient.abs().max().item<double>());
      EXPECT_GT(gradient.abs().max().item<double>(), 1e-2);
      const at::Tensor flat = parameter.detach().view(-1);
      for (int64_t i = 0; i < flat.numel(); ++i)
        EXPECT_NEAR(gradient[i].item<double>(), difference(flat, i, 1e-4, value), bound) << i;
    }
  }
}

TEST(PriorWithTrainableKnots, MeetsTheTolerances) {
  for (const auto& basis : {"B-spline", "RBF", "Morlet"})
    for (const auto dtype : {torch::kFloat, torch::kDouble}) {
      const auto prior =
          random_prior({.basis = basis, .reference = "gaussian", .dtype = dtype, .trainable_knots = true}, 17);
      const Truth truth = quadrature(prior, "gaussian");
      const at::Tensor z = truth.z.to(dtype).reshape({-1, 1, 1}).expand({truth.z.size(0), 3, 2}).contiguous();
      EXPECT_LE((prior->view()->distribution()->cdf(z).to(torch::kDouble) - truth.cdf).abs().max().item<double>(), 1e-4)
          << basis;
    }
}

}  // namespace
}  // namespace kaem::test
