// Gradients of the training loss against central differences in float64, with samples, weights, resampling and noise
// held fixed: |g - g_FD| <= 1e-6 max|g| + 1e-9 |loss| for every parameter tensor, basis, reference density and
// activation.
#include <torch/types.h>

#include "kaem/model/model.h"
#include "kaem/objective/objective.h"
#include "kaem/prior/prior.h"
#include "support/differences.h"
#include "support/random_model.h"

namespace kaem::test {
namespace {

struct Case {
  std::string basis, reference, activation;
  bool contrastive = false;
};

ModelOptions options_of(const Case& c) {
  ModelOptions options;
  options.prior.layer_widths = {2, 3};
  options.prior.reference = c.reference;
  options.prior.quadrature_nodes = 64;
  options.prior.contrastive_divergence = c.contrastive;
  options.prior.basis = {.kind = c.basis, .degree = 3, .grid_size = 4, .activation = c.activation, .eps_scale = 1};
  options.generator.widths = {3, 4};
  options.generator.noise = 0.05;
  options.generator.basis = options.prior.basis;
  return options;
}

/// Larger weights than training starts from, so that every part of the loss matters.
void enlarge(ModelImpl& model, const Rng& rng) {
  const torch::NoGradGuard no_grad;
  int64_t part = 100;
  for (auto& parameter : model.named_parameters()) {
    const at::Tensor noise = rng.normal(Stream::kTest, part++, parameter.value().sizes(), parameter.value().options());
    // Wavelets that become narrow make curves that no difference resolves.
    if (parameter.key().ends_with("scales"))
      parameter.value().mul_((0.1 * noise).exp());
    else
      parameter.value().add_(0.3 * noise);
  }
}

/// Inputs of kinked activations and clamped bases keep this far from where a derivative jumps.
constexpr double kMargin = 1e-3;

class Problem {
 public:
  explicit Problem(const Case& c) : model(options_of(c), DataShape{1, 2, 3}, rng) {
    model->to(torch::kDouble);
    model->initialise_grids(rng, 200);
    enlarge(*model, rng);
    x = rng.uniform(Stream::kTest, 1, {3, 6}, torch::kDouble);
    at::Tensor z = model->prior->view()->sample(5, rng, Stream::kPrior, 0);
    const auto [a, b] = model->prior->domain();
    z = torch::where(z.abs() < kMargin, torch::full_like(z, 2 * kMargin), z).clamp(a + kMargin, b - kMargin);
    const at::Tensor weight = rng.uniform(Stream::kTest, 2, {3, 5}, torch::kDouble);
    particles.weighted = {z.unsqueeze(0), (weight / weight.sum(1, true)).log(), /*shared=*/true, {}};
    particles.info.ess = torch::ones({3}), particles.info.log_evidence = torch::zeros({3});
  }

  at::Tensor loss() { return objective->evaluate(model->view(), x, particles, /*step=*/7, rng).total; }

  Rng rng{11};
  Model model;
  at::Tensor x;
  Particles particles;
  std::unique_ptr<Objective> objective = make_objective({});
};

void expect_gradients(const Case& c, int64_t most_elements) {
  SCOPED_TRACE(str(c.basis, ", π0 ", c.reference, ", ", c.activation, c.contrastive ? ", contrastive" : ""));
  Problem problem(c);
  const at::Tensor loss = problem.loss();
  loss.backward();
  for (auto& parameter : problem.model->named_parameters()) {
    ASSERT_TRUE(parameter.value().grad().defined()) << parameter.key();
    const at::Tensor gradient = parameter.value().grad().flatten();
    const double bound = 1e-6 * gradient.abs().max().item<double>() + 1e-9 * std::abs(loss.item<double>());
    const at::Tensor flat = parameter.value().detach().view(-1);
    const int64_t stride = std::max<int64_t>(1, flat.numel() / most_elements);
    for (int64_t i = 0; i < flat.numel(); i += stride)
      EXPECT_NEAR(gradient[i].item<double>(), difference(flat, i, 5e-5, [&] { return problem.loss(); }), bound)
          << parameter.key() << " " << i;
  }
}

class GradientOfBasis : public ::testing::TestWithParam<std::string> {};

TEST_P(GradientOfBasis, MatchesDifferencesForEveryReferenceDensity) {
  for (const auto& reference : {"ebm", "uniform", "gaussian", "lognormal", "learnable_gaussian"})
    expect_gradients({GetParam(), reference, "silu"}, 24);
}

std::string test_name(const ::testing::TestParamInfo<std::string>& info) {
  std::string name = info.param;
  std::erase(name, '-');
  return name;
}

INSTANTIATE_TEST_SUITE_P(AllBases, GradientOfBasis, ::testing::ValuesIn(basis_names()), test_name);

TEST(Gradient, MatchesDifferencesForEveryActivation) {
  for (const auto& activation : ops::activation_names()) expect_gradients({"RBF", "gaussian", activation}, 24);
}

TEST(Gradient, OfContrastiveDivergenceIsThatOfTheTableInExpectation) {
  // Many negative draws: the mean gradient over 400 steps of 5 draws each lies within 6 standard errors of the table's
  // (about 60 coefficients: false-alarm rate 60 x 2e-9).
  Problem exact({"RBF", "gaussian", "silu", false}), sampled({"RBF", "gaussian", "silu", true});
  exact.loss().backward();
  const KanLayer exact_layer = layer_of(exact.model->prior), layer = layer_of(sampled.model->prior);
  at::Tensor sum = torch::zeros_like(layer->coefficients), squares = sum.clone();
  constexpr int kSteps = 400;
  for (int step = 0; step < kSteps; ++step) {
    sampled.model->zero_grad();
    sampled.objective->evaluate(sampled.model->view(), sampled.x, sampled.particles, step, sampled.rng)
        .total.backward();
    const at::Tensor gradient = layer->coefficients.grad();
    sum += gradient, squares += gradient.square();
  }
  const at::Tensor mean = sum / kSteps, error = ((squares / kSteps - mean.square()) / kSteps).sqrt();
  const at::Tensor deviation = (mean - exact_layer->coefficients.grad()).abs() / error;
  EXPECT_LT(deviation.max().item<double>(), 6.0);
  EXPECT_GT(error.min().item<double>(), 0.0);
}

TEST(Gradient, OfFusedOperatorsIsThatOfTheReferences) {  // the same loss in float32 and float64
  for (const auto& basis : basis_names()) {
    SCOPED_TRACE(basis);
    Problem wide({basis, "gaussian", "silu"}), narrow({basis, "gaussian", "silu"});
    narrow.model->to(torch::kFloat);
    narrow.x = narrow.x.to(torch::kFloat);
    Weighted& samples = *narrow.particles.weighted;
    samples.z = samples.z.to(torch::kFloat), samples.log_weight = samples.log_weight.to(torch::kFloat);
    wide.loss().backward(), narrow.loss().backward();
    for (const auto& parameter : wide.model->named_parameters()) {
      const at::Tensor expected = parameter.value().grad();
      const at::Tensor got = narrow.model->named_parameters()[parameter.key()].grad().to(torch::kDouble);
      EXPECT_LE((got - expected).abs().max().item<double>(), 2e-4 * expected.abs().max().item<double>())
          << parameter.key();
    }
  }
}

}  // namespace
}  // namespace kaem::test
