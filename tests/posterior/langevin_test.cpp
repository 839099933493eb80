// Every posterior sampler on a model with one latent coordinate, against the posterior by quadrature; and what the
// chains of data keep apart.
#include <algorithm>
#include <filesystem>

#include "kaem/mcmc/resample.h"
#include "kaem/posterior/encoder.h"
#include "kaem/posterior/posterior.h"
#include "kaem/posterior/target.h"
#include "kaem/prior/prior.h"
#include "support/small_models.h"

namespace kaem::test {
namespace {

// 10 samplers x 3 data and 3 levels: each test fails with probability 1e-6/kTests, so the suite with 1e-6.
constexpr double kTests = 40;

PosteriorContext context_of(ModelImpl& model, int64_t train_size = 0) {
  return {.shape = model.shape,
          .train_size = train_size,
          .total_steps = 100,
          .storage_folder = "",
          .options = at::TensorOptions().dtype(torch::kDouble)};
}

/// A posterior whose encoder, if it has one, computes in double.
std::unique_ptr<Posterior> posterior_of(const PosteriorOptions& options, ModelImpl& model) {
  auto posterior = make_posterior(options, model, context_of(model), Rng(2));
  if (posterior->module()) posterior->module()->to(torch::kDouble);
  return posterior;
}

/// sup |ECDF - F| of weighted points z [n] (weights sum to 1) of p(z) p(x|z)^t, datum x [1,2].
double distance_to_posterior(ModelImpl& model, const at::Tensor& x, const at::Tensor& z, const at::Tensor& weight,
                             double t = 1) {
  const torch::NoGradGuard no_grad;
  const auto [grid, log_cell] = latent_grid(model, 20000);
  const at::Tensor log_joint = model.prior->view()->log_prob(grid) + t * log_likelihood_at(model, x, grid);
  const at::Tensor mass = log_joint.softmax(0), cdf = mass.cumsum(0) - 0.5 * mass, points = grid.flatten();
  const auto [sorted, order] = z.flatten().sort();
  const at::Tensor upper = weight.flatten().index_select(0, order).cumsum(0);
  const at::Tensor lower = upper - weight.flatten().index_select(0, order);
  const at::Tensor right = at::searchsorted(points, sorted).clamp(1, points.size(0) - 1), left = right - 1;
  const at::Tensor share = (sorted - points.index_select(0, left)) / (points[1] - points[0]);
  const at::Tensor f = cdf.index_select(0, left) + share * (cdf.index_select(0, right) - cdf.index_select(0, left));
  return std::max((f - lower).max().item<double>(), (upper - f).max().item<double>());
}

struct SamplerCase {
  std::string name;
  PosteriorOptions options;
  double allowance = 0;  ///< bias of an unadjusted sampler
};

PosteriorOptions chains(const std::string& sampler, double step_size, int64_t iters) {
  PosteriorOptions options;
  options.sampler = sampler, options.step_size = step_size, options.pcnl_delta = step_size;
  options.iters = iters, options.chains_per_datum = 4000;
  return options;
}

std::vector<SamplerCase> sampler_cases() {
  PosteriorOptions importance;
  importance.samples = 100'000, importance.resampler = "none";
  PosteriorOptions resampled = importance;
  resampled.resampler = "systematic", resampled.resampling_threshold = 1;
  PosteriorOptions tempered = chains("mala", 0.05, 1);
  tempered.tempering.levels = 4, tempered.tempering.p_start = tempered.tempering.p_end = 2;
  tempered.tempering.iters = 60;
  PosteriorOptions unadjusted = chains("mala", 0.05, 150);
  unadjusted.unadjusted = 20;
  PosteriorOptions automala = chains("automala", 0.02, 160);  // far from the mode its reversibility check often fails
  automala.unadjusted = 60;
  // An encoder that nothing has trained: its scales are wrong for the posterior, and the chains right all the same.
  PosteriorOptions scaled = chains("mala", 0.05, 200);
  scaled.preconditioner = "encoder";
  PosteriorOptions scaled_levels = tempered;
  scaled_levels.preconditioner = "encoder";
  return {{"importance", importance},
          {"resampled", resampled},
          // Unadjusted steps of this size are off by less than this (halving η halves it: OfUla below).
          {"ula", chains("ula", 0.002, 1500), 0.02},
          {"mala", chains("mala", 0.05, 200)},
          {"unadjusted first", unadjusted},
          {"automala", automala},
          {"pcnl", chains("pcnl", 0.08, 800)},
          {"tempered", tempered},
          {"scaled by an encoder", scaled},
          {"tempered and scaled", scaled_levels}};
}

TEST(Posterior, OfEverySamplerIsThatOfQuadrature) {
  Model model = one_dimensional();
  const at::Tensor x = torch::tensor({{0.3, -0.2}, {0.9, 0.5}, {-0.6, -0.4}}, torch::kDouble);
  for (const auto& c : sampler_cases()) {
    SCOPED_TRACE(c.name);
    const torch::NoGradGuard no_grad;
    const auto posterior = posterior_of(c.options, *model);
    const Particles particles = posterior->sample(model->view(), {x, {}}, 0, Rng(2));
    const Weighted& samples = *particles.weighted;
    for (int64_t b = 0; b < 3; ++b) {
      const at::Tensor weight = samples.log_weight[b].exp();
      const at::Tensor z = samples.z[samples.shared ? 0 : b];
      const double d = distance_to_posterior(*model, x.slice(0, b, b + 1), z, weight);
      // Weighted draws count as their effective number (before resampling).
      const double n = particles.info.ess.defined() ? particles.info.ess[b].item<double>() : 4000.0;
      const double excess = std::max(0.0, d - c.allowance);
      EXPECT_GT(2 * std::exp(-2 * n * excess * excess), 1e-6 / kTests) << "datum " << b << ", distance " << d;
    }
  }
}

/// Chains that start from weighted draws are at every temperature where they should be before they move. The effective
/// size of the draws is many times the 4000 that are chosen, which are as good as independent ones.
TEST(Posterior, WeightedStartsAreThoseOfTheirTemperature) {
  Model model = one_dimensional();
  const torch::NoGradGuard no_grad;
  const at::Tensor x = torch::tensor({{0.3, -0.2}}, torch::kDouble);
  PosteriorOptions options = chains("ula", 1e-14, 1);  // steps that go nowhere
  options.chain_start = "proposal", options.samples = 400'000;
  options.tempering = {.levels = 3, .p_start = 2, .p_end = 2, .iters = 1, .exchange = "none"};
  const Particles particles = posterior_of(options, *model)->sample(model->view(), {x, {}}, 0, Rng(2));
  PosteriorOptions weighing = options;
  weighing.sampler = "proposal";
  const Particles draws = posterior_of(weighing, *model)->sample(model->view(), {x, {}}, 0, Rng(2));
  ASSERT_GT(draws.info.ess.min().item<double>(), 30'000);
  const at::Tensor equal = torch::full({4000}, 1 / 4000.0, torch::kDouble);
  for (int64_t k = 0; k < 3; ++k) {
    const double t = std::pow((static_cast<double>(k) + 1) / 3, 2);
    const double d = distance_to_posterior(*model, x, particles.tempered->z[k][0], equal, t);
    EXPECT_GT(2 * std::exp(-2 * 4000.0 * d * d), 1e-6 / kTests) << "t " << t << ", distance " << d;
  }
}

/// s of an encoder: how far z goes with the noise, by differences of draws.
TEST(Preconditioner, OfAnEncoderIsTheDeviationOfItsDraws) {
  Model model = one_dimensional();
  const torch::NoGradGuard no_grad;
  Encoder encoder(EncoderOptions{.widths = {4}}, *model, Rng(3));
  encoder->to(torch::kDouble);
  const at::Tensor x = torch::tensor({{0.3, -0.2}, {0.9, 0.5}}, torch::kDouble);
  const double h = 1e-5;
  const auto at_noise = [&](double noise) {
    std::vector<int64_t> sizes = {2, 1};
    for (const int64_t n : model->latent_shape()) sizes.push_back(n);
    return encoder->sample(x, torch::full(sizes, noise, torch::kDouble)).first.squeeze(1);
  };
  EXPECT_TRUE(torch::allclose(encoder->scales(x), (at_noise(h) - at_noise(-h)) / (2 * h), 1e-7, 1e-10));
}

/// The spread of one small step at each level: √(2η) s, 1/s² between the precisions of the prior and of the encoder by
/// t. 4000 chains give each to 1.1 %; 6 of these errors are allowed, false-alarm rate 1e-8.
TEST(Preconditioner, GoesFromThePriorsScalesToTheEncoders) {
  Model model = one_dimensional();
  const torch::NoGradGuard no_grad;
  const at::Tensor x = torch::tensor({{0.3, -0.2}}, torch::kDouble);
  PosteriorOptions options = chains("ula", 1e-9, 1);
  options.preconditioner = "encoder";
  options.tempering = {.levels = 3, .p_start = 1, .p_end = 1, .iters = 1, .exchange = "none"};
  const auto posterior = posterior_of(options, *model);
  auto& encoder = dynamic_cast<EncoderImpl&>(*posterior->module());
  for (auto& p : posterior->module()->parameters())
    if (p.dim() == 1) p.sub_(1.0);  // narrower than the prior
  const auto prior = model->prior->view();
  const at::Tensor from = prior_chains(*prior, {3, 1, 4000}, Rng(2), Stream::kPrior, 0);
  const at::Tensor to = posterior->sample(model->view(), {x, {}}, 0, Rng(2)).tempered->z;
  const double wide = prior_deviations(*prior, Rng(2), 0).item<double>(), narrow = encoder.scales(x).item<double>();
  ASSERT_LT(narrow, 0.7 * wide);
  for (int64_t k = 0; k < 3; ++k) {
    const double t = (static_cast<double>(k) + 1) / 3;
    const double expected = 1 / std::sqrt((1 - t) / (wide * wide) + t / (narrow * narrow));
    EXPECT_NEAR((to - from)[k].std().item<double>() / std::sqrt(2e-9) / expected, 1.0, 0.067) << t;
  }
  // Without it all levels step alike.
  options.preconditioner = "none";
  const at::Tensor plain = posterior_of(options, *model)->sample(model->view(), {x, {}}, 0, Rng(2)).tempered->z;
  for (int64_t k = 0; k < 3; ++k) EXPECT_NEAR((plain - from)[k].std().item<double>() / std::sqrt(2e-9), 1.0, 0.067);
}

TEST(Posterior, BiasOfUlaFallsWithTheStepSize) {
  Model model = one_dimensional();
  const at::Tensor x = torch::tensor({{0.3, -0.2}}, torch::kDouble);
  std::vector<double> distances;
  for (const double step_size : {0.2, 0.05, 0.01}) {
    const torch::NoGradGuard no_grad;
    PosteriorOptions options = chains("ula", step_size, static_cast<int64_t>(4 / step_size));
    options.chains_per_datum = 20'000;
    const auto posterior = make_posterior(options, *model, context_of(*model), Rng(2));
    const Particles particles = posterior->sample(model->view(), {x, {}}, 0, Rng(2));
    distances.push_back(
        distance_to_posterior(*model, x, particles.weighted->z[0], particles.weighted->log_weight[0].exp()));
  }
  // Noise of 20,000 draws is about .006.
  EXPECT_GT(distances[0], distances[1] + 0.01);
  EXPECT_GT(distances[1], distances[2]);
  EXPECT_LT(distances[2], 0.03);
}

TEST(Posterior, ChainsOfDataAreThoseOfEachDatumAlone) {
  // What a datum's chains see depends on its x alone: gradients of a batch are those of its rows.
  Model model = linear_gaussian(0.5);
  const torch::NoGradGuard no_grad;
  const at::Tensor x = linear_data(*model, 5).first, t = torch::tensor({0.2, 1.0}, torch::kDouble);
  const at::Tensor z = prior_chains(*model->prior->view(), {2, 5, 3}, Rng(1), Stream::kTest, 0);
  const auto all = posterior_target(model->view(), x, t).likelihood(z, mcmc::Want::kBoth);
  for (int64_t b = 0; b < 5; ++b) {
    const auto one =
        posterior_target(model->view(), x.slice(0, b, b + 1), t).likelihood(z.narrow(1, b, 1), mcmc::Want::kBoth);
    EXPECT_TRUE(torch::allclose(one.log_density, all.log_density.narrow(1, b, 1), 1e-10, 1e-10));
    EXPECT_TRUE(torch::allclose(one.gradient, all.gradient.narrow(1, b, 1), 1e-10, 1e-10));
  }
}

TEST(Posterior, TargetsGradientsAreThoseOfAutograd) {
  Model model = one_dimensional();
  for (const std::string activation : {"identity", "sigmoid", "tanh"}) {
    model->options.generator.output_activation = activation;
    model->likelihood = make_likelihood(model->options.generator);
    model->likelihood->to(torch::kDouble);
    const at::Tensor x = torch::tensor({{0.3, 0.2}, {0.9, 0.5}}, torch::kDouble), t = torch::ones({1}, torch::kDouble);
    const at::Tensor z = prior_chains(*model->prior->view(), {1, 2, 4}, Rng(1), Stream::kTest, 0);
    const auto target = posterior_target(model->view(), x, t);
    const auto likelihood = target.likelihood(z, mcmc::Want::kBoth), prior = target.prior(z, mcmc::Want::kBoth);
    const auto value_alone = target.likelihood(z, mcmc::Want::kValue);
    EXPECT_TRUE(torch::equal(value_alone.log_density, likelihood.log_density) && !value_alone.gradient.defined());
    at::Tensor leaf = z.clone().requires_grad_();
    const at::Tensor rows = mcmc::flatten_chains(leaf);
    std::vector<at::Tensor> own;
    for (int64_t b = 0; b < 2; ++b)
      own.push_back(log_likelihood_at(*model, x.slice(0, b, b + 1), rows.slice(0, 4 * b, 4 * b + 4)));
    const at::Tensor value = torch::cat(own);
    EXPECT_TRUE(torch::allclose(value, mcmc::flatten_chains(likelihood.log_density), 1e-9, 1e-9));
    const at::Tensor log_prior = model->prior->view()->log_prob(rows);
    EXPECT_TRUE(torch::allclose(log_prior, mcmc::flatten_chains(prior.log_density), 1e-9, 1e-9));
    (value.sum()).backward();
    EXPECT_TRUE(torch::allclose(leaf.grad(), likelihood.gradient, 1e-7, 1e-8));
    leaf.mutable_grad() = at::Tensor();
    log_prior.sum().backward();
    EXPECT_TRUE(torch::allclose(leaf.grad(), prior.gradient, 1e-7, 1e-8));
  }
}

TEST(PersistentChains, GoOnWhereTheyWereAndOthersStartFromThePrior) {
  Model model = linear_gaussian(0.5);
  const torch::NoGradGuard no_grad;
  PosteriorOptions options = chains("ula", 1e-12, 1);  // steps that go nowhere
  options.chains_per_datum = 2, options.chain_start = "persistent";
  const auto posterior = make_posterior(options, *model, context_of(*model, 10), Rng(2));
  const at::Tensor x = linear_data(*model, 3).first, index = torch::tensor({7, 0, 4}, torch::kLong);
  const at::Tensor first = posterior->sample(model->view(), {x, index}, 0, Rng(2)).weighted->z;
  const at::Tensor again = posterior->sample(model->view(), {x, index.flip(0)}, 1, Rng(2)).weighted->z;
  EXPECT_TRUE(torch::allclose(again, first.flip(0), 1e-3, 1e-2));  // float16 on the way
  const at::Tensor others =
      posterior->sample(model->view(), {x, torch::tensor({1, 2, 3}, torch::kLong)}, 2, Rng(2)).weighted->z;
  EXPECT_FALSE(torch::allclose(others, first, 1e-2, 1e-1));
  // The state that a checkpoint keeps is all that is needed to go on.
  const auto restored = make_posterior(options, *model, context_of(*model, 10), Rng(2));
  const auto from = posterior->named_state();
  auto into = restored->named_state();
  ASSERT_EQ(from.size(), into.size());
  for (size_t i = 0; i < from.size(); ++i) into[i].second.copy_(from[i].second);
  EXPECT_TRUE(torch::equal(restored->sample(model->view(), {x, index}, 3, Rng(2)).weighted->z,
                           posterior->sample(model->view(), {x, index}, 3, Rng(2)).weighted->z));
}

/// Of 4000 chains of a datum those that start anew are as many as the share says, within 6 standard errors, and whole.
TEST(PersistentChains, StartAnewInTheShareThatIsAskedFor) {
  Model model = linear_gaussian(0.5);
  const torch::NoGradGuard no_grad;
  PosteriorOptions options = chains("ula", 1e-14, 1);
  options.chain_start = "persistent", options.replay_share = 0.7;
  const auto posterior = make_posterior(options, *model, context_of(*model, 10), Rng(2));
  const at::Tensor x = linear_data(*model, 1).first, index = torch::tensor({3}, torch::kLong);
  const at::Tensor first = posterior->sample(model->view(), {x, index}, 0, Rng(2)).weighted->z[0];
  const at::Tensor again = posterior->sample(model->view(), {x, index}, 1, Rng(2)).weighted->z[0];
  const at::Tensor near = ((again - first).abs() < 1e-2).flatten(1);  // float16 on the way
  // A chain goes on or starts anew with both of its coordinates: 0.3 % are near by chance in one.
  EXPECT_LT((near.any(1) & near.all(1).logical_not()).to(torch::kDouble).mean().item<double>(), 0.02);
  EXPECT_NEAR(near.all(1).to(torch::kDouble).mean().item<double>(), 0.7, 6 * std::sqrt(0.7 * 0.3 / 4000));
}

TEST(AdaptiveLadder, MovesBetweenUpdatesAndIsKept) {
  Model model = linear_gaussian(0.1);
  const torch::NoGradGuard no_grad;
  PosteriorOptions options = chains("mala", 0.01, 1);
  options.chains_per_datum = 2;
  options.tempering = {.levels = 5, .p_start = 1, .p_end = 1, .iters = 60, .schedule = "adaptive"};
  const auto posterior = make_posterior(options, *model, context_of(*model), Rng(2));
  const at::Tensor x = linear_data(*model, 20).first;
  const auto spread = [](const Particles& p) {
    return (p.info.swap_rate.max() - p.info.swap_rate.min()).item<double>();
  };
  const Particles before = posterior->sample(model->view(), {x, {}}, 0, Rng(2));
  posterior->settle(nullptr);
  posterior->sample(model->view(), {x, {}}, 1, Rng(2));  // 120 exchanges: the first round of 100 has ended
  posterior->settle(nullptr);
  const Particles after = posterior->sample(model->view(), {x, {}}, 2, Rng(2));
  const at::Tensor temperature = after.tempered->temperature;
  EXPECT_FALSE(torch::allclose(before.tempered->temperature, temperature));
  EXPECT_EQ(temperature[-1].item<double>(), 1.0);
  EXPECT_TRUE((temperature.diff() > 0).all().item<bool>());
  // t = 1/5 is far too large a first step: rejections are more even afterwards.
  EXPECT_LT(spread(after), spread(before) - 0.1);
}

}  // namespace
}  // namespace kaem::test
