// Which energies matter, on models where that is known; runs that are written read back.
#include "kaem/symbolic/prune.h"

#include <filesystem>

#include "kaem/core/error.h"
#include "kaem/io/file.h"
#include "kaem/prior/formula.h"
#include "kaem/symbolic/components.h"
#include "kaem/symbolic/fit.h"
#include "kaem/train/derive.h"
#include "support/small_models.h"
#include "train/tiny_run.h"

namespace kaem::test {
namespace {

using symbolic::Pruning;

/// Of its two components the first has an energy, the second none (its weights are 1, its coefficients 0).
Model half_flat() {
  Model model = linear_gaussian(0.5);
  const torch::NoGradGuard no_grad;
  const KanLayer layer = layer_of(model->prior);
  layer->coefficients.select(2, 0).copy_(torch::tensor({{0.0, 9.0, -6.0, 12.0, 0.0}}, torch::kDouble));
  return model;
}

std::vector<at::Tensor> state_of(const Model& model) {
  std::vector<at::Tensor> state;
  for (const auto& p : model->parameters()) state.push_back(p.detach().clone());
  return state;
}

TEST(Pruning, FlatEnergiesGoFirstAndChangeNothing) {
  Model model = half_flat();
  const at::Tensor x = linear_data(*model, 8).first;
  const auto before = state_of(model);
  const Pruning pruning(*model, x, 2000, Rng(3));
  EXPECT_EQ(pruning.divergence()[1][0].item<double>(), 0);
  EXPECT_GT(pruning.divergence()[0][0].item<double>(), 0.05);
  EXPECT_EQ(pruning.order()[0].item<int64_t>(), 1);
  const auto search = pruning.search(0);
  EXPECT_EQ(search.found, 1);
  EXPECT_TRUE(torch::equal(pruning.least(1), torch::tensor({{false}, {true}})));
  const auto none = pruning.change(pruning.least(1));
  EXPECT_EQ(none.mean, 0);
  EXPECT_EQ(none.error, 0);
  EXPECT_TRUE(torch::equal(none.value, torch::zeros_like(none.value)));
  EXPECT_EQ(search.tried.front().count, 0);
  EXPECT_EQ(search.tried.back().count, 2);
  EXPECT_LT(search.tried.back().change.mean, 0) << "data of the model are likelier under it";
  const auto after = state_of(model);
  for (size_t i = 0; i < before.size(); ++i) EXPECT_TRUE(torch::equal(before[i], after[i]));
  EXPECT_EQ(pruning.search(1e9).found, 2);
}

TEST(Pruning, ChangeIsTheDifferenceOfTwoEvaluations) {
  Model model = half_flat(), other = half_flat();
  const at::Tensor x = linear_data(*model, 8).first;
  const Pruning pruning(*model, x, 2500, Rng(3));
  const at::Tensor which = torch::tensor({{true}, {false}});
  const auto change = pruning.change(which);
  const auto with = metrics::importance_log_likelihood(*model, x, 2500, Rng(3));
  const KanLayer layer = layer_of(other->prior);
  {
    const torch::NoGradGuard no_grad;
    layer->coefficients.select(2, 0).zero_();
  }
  const auto without = metrics::importance_log_likelihood(*other, x, 2500, Rng(3));
  EXPECT_LE((change.value - (without.value - with.value)).abs().max().item<double>(), 1e-10);
  EXPECT_NEAR(change.mean, (without.value - with.value).mean().item<double>(), 1e-10);
  EXPECT_LE((pruning.before().value - with.value).abs().max().item<double>(), 1e-10);
  EXPECT_LE((pruning.before().standard_error - with.standard_error).abs().max().item<double>(), 1e-10);
  // And both are near the truth, by quadrature over the latent.
  const at::Tensor exact = quadrature_log_likelihood(*other, x) - quadrature_log_likelihood(*model, x);
  EXPECT_LE(std::abs(change.mean - exact.mean().item<double>()), 6 * change.error);
}

/// The spread of the change over 100 seeds, whose own relative error is 7 %.
TEST(Pruning, ErrorIsTheSpreadOverDraws) {
  Model model = half_flat();
  const at::Tensor x = linear_data(*model, 8).first;
  const at::Tensor which = torch::tensor({{true}, {false}});
  constexpr int64_t kSeeds = 100;
  at::Tensor mean = torch::empty({kSeeds}, torch::kDouble), error = mean.clone();
  for (int64_t seed = 0; seed < kSeeds; ++seed) {
    const auto change = Pruning(*model, x, 500, Rng(static_cast<uint64_t>(seed))).change(which);
    mean[seed] = change.mean, error[seed] = change.error;
  }
  EXPECT_NEAR(error.square().mean().sqrt().item<double>() / mean.std().item<double>(), 1, 0.25);
}

TEST(Pruning, OneDrawHasNoError) {
  Model model = half_flat();
  const at::Tensor x = linear_data(*model, 3).first;
  EXPECT_TRUE(std::isnan(Pruning(*model, x, 1, Rng(3)).change(torch::tensor({{true}, {false}})).error));
}

/// A tiny run, trained for 12 updates, in `out`.
LoadedRun trained(const std::string& out, bool mixture, double ema) {
  Config config = tiny_config(out);
  config.run.name = "tiny", config.run.epochs = 3, config.optimizer.ema_decay = ema;
  config.model.prior.mixture.enabled = config.model.prior.mixture.train_proportions = mixture;
  const Dataset data = tiny_data();
  return load_run(Trainer(config, data).fit().folder, "cpu");
}

/// log p(x) and draws of a run.
void expect_same(LoadedRun& a, LoadedRun& b) {
  const torch::NoGradGuard no_grad;
  const at::Tensor x = tiny_data().test.flatten(1);
  EXPECT_TRUE(torch::equal(metrics::importance_log_likelihood(*a.model, x, 500, Rng(1)).value,
                           metrics::importance_log_likelihood(*b.model, x, 500, Rng(1)).value));
  const auto draw = [](LoadedRun& run) {
    return run.model->generate(run.model->prior->view()->sample(5, Rng(2), Stream::kSample, 0));
  };
  EXPECT_TRUE(torch::equal(draw(a), draw(b)));
}

/// Two epochs more: the optimiser's and the averages' state is there for all that is trained.
void expect_to_go_on(const std::string& folder) {
  Config config = RunFolder::open(folder).config();
  config.run.epochs = 5, config.run.quiet = true;
  const Dataset data = tiny_data();
  EXPECT_EQ(Trainer(config, data, {.resume = folder, .command_line = ""}).fit().steps, 20);
}

TEST(WrittenRuns, OfClosedFormsReadBackAsTheyWere) {
  for (const bool mixture : {false, true}) {
    SCOPED_TRACE(mixture ? "mixture" : "univariate");
    const TempFolder temp("closed_forms");
    LoadedRun run = trained(temp.path, mixture, mixture ? 0 : 0.9);
    const auto fits = symbolic::fit(symbolic::curves_of(*run.model->prior, 201, "run"));
    run.config.model.prior.energies = "symbolic";
    const auto prior = with_formulas(*run.model->prior, run.config.model.prior, fits.formulas());
    run.model->prior = run.model->replace_module("prior", prior);
    const std::string folder = temp / "new/closed";
    write_run_with_prior(run, run.config, *prior, folder, "kaem symbolic");
    LoadedRun back = load_run(folder, "cpu");
    EXPECT_EQ(back.config.model.prior.energies, "symbolic");
    EXPECT_EQ(back.step, run.step);
    expect_same(run, back);
    EXPECT_NE(io::read_file(folder + "/meta.json").find("\"command\": \"kaem symbolic\""), std::string::npos);
    EXPECT_THROW(write_run_with_prior(run, run.config, *prior, folder, ""), UsageError);
    expect_to_go_on(folder);
    LoadedRun later = load_run(folder, "cpu");
    EXPECT_TRUE(
        torch::equal(later.model->prior->named_buffers()["coefficients"], prior->named_buffers()["coefficients"]))
        << "formulas are not trained";
  }
}

TEST(WrittenRuns, WithoutEnergiesReadBackAsTheyWere) {
  const TempFolder temp("pruned");
  LoadedRun run = trained(temp.path, false, 0.9);
  at::Tensor which = torch::zeros({5, 2}, torch::kBool);
  which[1].fill_(true), which[4][0].fill_(true);
  run.model->prior->set_flat(which);
  const std::string folder = temp / "pruned";
  write_run_with_prior(run, run.config, *run.model->prior, folder, "kaem prune");
  LoadedRun back = load_run(folder, "cpu");
  expect_same(run, back);
  const at::Tensor largest = back.model->prior->view()->distribution()->curves(51).energy.abs().amax(0);
  EXPECT_TRUE(torch::equal(largest == 0, which));
  expect_to_go_on(folder);
}

}  // namespace
}  // namespace kaem::test
