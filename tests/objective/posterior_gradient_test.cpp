// Gradients of log p(x) that the criteria estimate, on models where the exact gradient is known by quadrature.
// Comparisons allow 6 standard errors of a mean of at least 40 repetitions: about 40 coefficients a comparison.
#include <iostream>

#include "kaem/objective/objective.h"
#include "kaem/prior/prior.h"
#include "support/small_models.h"

namespace kaem::test {
namespace {

PosteriorContext context_of(ModelImpl& model) {
  return {.shape = model.shape,
          .train_size = 0,
          .total_steps = 100,
          .storage_folder = "",
          .options = at::TensorOptions().dtype(torch::kDouble)};
}

/// ∇ of -mean_b log p(x_b) in all parameters.
at::Tensor exact_gradient(ModelImpl& model, const at::Tensor& x) {
  (-quadrature_log_likelihood(model, x).mean()).backward();
  return take_gradient(model);
}

/// Gradient of one update's loss.
at::Tensor update_gradient(ModelImpl& model, Posterior& posterior, Objective& objective, const at::Tensor& x,
                           int64_t step, const Rng& rng) {
  const ModelView view = model.view();
  const Particles particles = posterior.sample(view, {x, {}}, step, rng);
  objective.evaluate(view, x, particles, step, rng).total.backward();
  return take_gradient(model);
}

struct Moments {
  at::Tensor mean, error;
};

template <class Draw>
Moments repeat(int64_t repetitions, Draw draw) {
  std::vector<at::Tensor> values;
  for (int64_t i = 0; i < repetitions; ++i) values.push_back(draw(i));
  const at::Tensor all = torch::stack(values);
  return {all.mean(0), all.std(0) / std::sqrt(static_cast<double>(repetitions))};
}

/// Largest deviation in standard errors, over coefficients whose estimate varies at all.
double deviation(const Moments& got, const at::Tensor& exact) {
  const at::Tensor floor = 1e-9 + 1e-5 * exact.abs();  // the quadrature's and the table's own error
  return (((got.mean - exact).abs() - floor).clamp_min(0) / (got.error + 1e-12)).max().item<double>();
}

Moments gradient_moments(ModelImpl& model, const PosteriorOptions& options, const ObjectiveOptions& objective_options,
                         const at::Tensor& x, int64_t repetitions) {
  const Rng rng(21);
  const auto posterior = make_posterior(options, model, context_of(model), rng);
  const auto objective = make_objective(objective_options);
  return repeat(repetitions, [&](int64_t i) { return update_gradient(model, *posterior, *objective, x, i, rng); });
}

PosteriorOptions chains(const std::string& sampler, double step_size, int64_t iters, int64_t per_datum) {
  PosteriorOptions options;
  options.sampler = sampler, options.step_size = step_size, options.iters = iters;
  options.chains_per_datum = per_datum;
  return options;
}

TEST(ImportanceGradient, IsExactWithManySamples) {
  Model model = linear_gaussian(0.5);
  const at::Tensor x = linear_data(*model, 3).first, exact = exact_gradient(*model, x);
  PosteriorOptions options;
  options.samples = 100'000, options.resampler = "none";
  EXPECT_LT(deviation(gradient_moments(*model, options, {}, x, 40), exact), 6);
}

/// Gradient from samples z [S,...] with their self-normalised weights.
at::Tensor weighted_gradient(ModelImpl& model, Objective& objective, const at::Tensor& x, const at::Tensor& z) {
  const Rng rng(21);
  Particles particles;
  particles.weighted = {z.unsqueeze(0), model.log_likelihood(x, z).log_softmax(1), /*shared=*/true, {}};
  objective.evaluate(model.view(), x, particles, 0, rng).total.backward();
  return take_gradient(model);
}

TEST(ImportanceGradient, BiasFallsAsOneOverS) {
  // Means over disjoint parts of one large sample share its noise, so their difference shows the bias alone: with
  // b(S) = c/S it is c (1/S - 1/S_all).
  Model model = linear_gaussian(0.5);
  const at::Tensor x = linear_data(*model, 1).first;
  const auto objective = make_objective({});
  constexpr int64_t kAll = 100'000, kMostParts = 100, kRepetitions = 25;
  const std::vector<int64_t> sizes = {100, 1000, 10'000};
  std::vector<at::Tensor> bias(sizes.size());
  for (int64_t r = 0; r < kRepetitions; ++r) {
    const at::Tensor z = model->prior->view()->sample(kAll, Rng(31), Stream::kPrior, r);
    const at::Tensor whole = weighted_gradient(*model, *objective, x, z);
    for (size_t i = 0; i < sizes.size(); ++i) {
      at::Tensor mean = torch::zeros_like(whole);
      const int64_t parts = std::min<int64_t>(kAll / sizes[i], kMostParts);
      for (int64_t p = 0; p < parts; ++p)
        mean += weighted_gradient(*model, *objective, x, z.slice(0, p * sizes[i], (p + 1) * sizes[i])) / parts;
      bias[i] = bias[i].defined() ? bias[i] + (mean - whole) : mean - whole;
    }
  }
  const auto size_of = [&](size_t i) {
    return (bias[i] / kRepetitions / (1.0 / sizes[i] - 1.0 / kAll)).norm().item<double>() / sizes[i];
  };
  const double slope = std::log(size_of(2) / size_of(0)) / std::log(static_cast<double>(sizes[2]) / sizes[0]);
  std::cout << "bias of the gradient at S = 100, 1000, 10000: " << size_of(0) << " " << size_of(1) << " " << size_of(2)
            << "; log-log slope " << slope << "\n";
  EXPECT_NEAR(slope, -1, 0.3);
}

TEST(LangevinGradient, OfMalaIsExact) {
  Model model = linear_gaussian(0.5);
  const at::Tensor x = linear_data(*model, 3).first, exact = exact_gradient(*model, x);
  ObjectiveOptions objective;
  EXPECT_LT(deviation(gradient_moments(*model, chains("mala", 0.08, 80, 200), objective, x, 40), exact), 6);
}

TEST(LangevinGradient, BiasOfUlaGoesToZeroWithTheStepSize) {
  Model model = linear_gaussian(0.5);
  const at::Tensor x = linear_data(*model, 2).first, exact = exact_gradient(*model, x);
  ObjectiveOptions objective;
  std::vector<double> bias;
  for (const double eta : {0.16, 0.04, 0.01}) {
    const auto options = chains("ula", eta, static_cast<int64_t>(3 / eta), 400);
    bias.push_back((gradient_moments(*model, options, objective, x, 20).mean - exact).norm().item<double>());
    std::cout << "ULA, step size " << eta << ": bias " << bias.back() << " of " << exact.norm().item<double>() << "\n";
  }
  EXPECT_GT(bias[0], 2 * bias[1]);
  EXPECT_GT(bias[1], 1.5 * bias[2]);
}

PosteriorOptions tempered(int64_t levels, int64_t iters, int64_t per_datum) {
  PosteriorOptions options = chains("mala", 0.05, 1, per_datum);
  options.tempering.levels = levels, options.tempering.iters = iters;
  options.tempering.p_start = options.tempering.p_end = 2;
  return options;
}

ObjectiveOptions thermodynamic(const std::string& gradient) {
  ObjectiveOptions options;
  options.criterion = "thermodynamic", options.thermo_gradient = gradient;
  return options;
}

TEST(ThermodynamicGradient, OfThePosteriorRuleIsExact) {
  Model model = linear_gaussian(0.5);
  const at::Tensor x = linear_data(*model, 3).first, exact = exact_gradient(*model, x);
  EXPECT_LT(deviation(gradient_moments(*model, tempered(4, 60, 200), thermodynamic("posterior"), x, 40), exact), 6);
}

TEST(ThermodynamicGradient, BiasOfMbarFallsWithChainsAndItsVarianceIsSmaller) {
  Model model = linear_gaussian(0.5);
  const at::Tensor x = linear_data(*model, 1).first, exact = exact_gradient(*model, x);
  std::vector<double> bias, spread;
  for (const int64_t per_datum : {1, 30}) {
    PosteriorOptions options = tempered(4, 40, per_datum);
    options.samples = per_datum;
    const int64_t repetitions = per_datum == 1 ? 250 : 50;
    const Moments mbar = gradient_moments(*model, options, thermodynamic("mbar"), x, repetitions);
    bias.push_back((mbar.mean - exact).norm().item<double>());
    spread.push_back(mbar.error.norm().item<double>() * std::sqrt(static_cast<double>(repetitions)));
    if (per_datum == 30) {
      EXPECT_LT((mbar.mean - exact).norm().item<double>(), 6 * mbar.error.norm().item<double>());
    }
  }
  const Moments alone = gradient_moments(*model, tempered(4, 40, 30), thermodynamic("posterior"), x, 50);
  const double alone_spread = alone.error.norm().item<double>() * std::sqrt(50.0);
  std::cout << "mbar: bias with 1 and 30 chains " << bias[0] << " " << bias[1] << "; standard deviation with 30 "
            << spread[1] << " against " << alone_spread << " of the chains at t = 1\n";
  EXPECT_GT(bias[0], 2 * bias[1]);
  EXPECT_LT(spread[1], alone_spread);
}

/// Σ_k Δt_k E_{t_k}[∇ℓ] by quadrature: the derivative of Σ_k Δt_k <ℓ>_k at frozen weights.
at::Tensor path_by_quadrature(ModelImpl& model, const at::Tensor& x, const std::vector<double>& ladder) {
  const auto [z, log_cell] = latent_grid(model, 300);
  at::Tensor sum = torch::zeros({}, torch::kDouble);
  for (int64_t b = 0; b < x.size(0); ++b) {
    const at::Tensor log_likelihood = log_likelihood_at(model, x.slice(0, b, b + 1), z);
    const at::Tensor log_prior = model.prior->view()->log_prob(z).detach();
    for (size_t k = 1; k < ladder.size(); ++k) {
      const at::Tensor weight = (log_prior + ladder[k] * log_likelihood.detach()).softmax(0);
      sum = sum - (ladder[k] - ladder[k - 1]) * (weight * log_likelihood).sum() / static_cast<double>(x.size(0));
    }
  }
  sum.backward();
  return take_gradient(model);
}

TEST(ThermodynamicGradient, OfThePathIsItsOwnSumAndNotTheGradientOfLogP) {
  Model model = linear_gaussian(0.5);
  const at::Tensor x = linear_data(*model, 2).first, exact = exact_gradient(*model, x);
  const std::vector<double> ladder = {0, 1.0 / 16, 4.0 / 16, 9.0 / 16, 1};  // 4 levels, p = 2
  const at::Tensor by_quadrature = path_by_quadrature(*model, x, ladder);
  PosteriorOptions options = tempered(4, 40, 500);
  options.samples = 10'000;
  const Moments got = gradient_moments(*model, options, thermodynamic("path"), x, 40);
  // The generator's part; for the prior's the rule takes the chains at t = 1.
  int64_t of_prior = 0;
  for (const auto& p : model->prior->named_parameters()) of_prior += p.value().numel();
  const auto generator = [&](const at::Tensor& g) { return g.slice(0, of_prior); };
  const Moments part{generator(got.mean), generator(got.error)};
  // Self-normalised weights leave a bias of a fraction of the standard error of 500 chains.
  EXPECT_LT(deviation(part, generator(by_quadrature)), 7);
  const double far = deviation(part, generator(exact));
  std::cout << "path rule: up to " << far << " standard errors from the gradient of log p(x), distance "
            << (part.mean - generator(exact)).norm().item<double>() << " of " << generator(exact).norm().item<double>()
            << "\n";
  EXPECT_GT(far, 50);
}

}  // namespace
}  // namespace kaem::test
