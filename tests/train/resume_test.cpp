// A run that is stopped and goes on ends with the same bits as one that is not, in every way of training.
#include <ATen/Parallel.h>

#include "kaem/core/error.h"
#include "kaem/prior/prior.h"
#include "train/tiny_run.h"
#include "train/ways.h"

namespace kaem {
namespace {

/// 25 updates, then on to 60, against 60 in one go.
void expect_exact_resume(const Config& config, const std::string& out) {
  const auto straight = run_tiny(named(config, "straight"));
  EXPECT_EQ(straight.steps, 60);
  auto stopping = named(config, "stopped");
  stopping.run.max_steps = 25;
  const auto first = run_tiny(stopping);
  EXPECT_EQ(first.steps, 25);
  EXPECT_EQ(metrics_of(first.folder).back().front(), "25") << "a stop between rows adds one";
  const auto second = run_tiny(RunFolder::open(first.folder).config(), first.folder);
  EXPECT_EQ(second.steps, 60);
  EXPECT_EQ(second.folder, first.folder);
  expect_same_runs(straight.folder, second.folder);
  if (!config.run.mode.starts_with("baseline-") || config.run.mode == "baseline-vae") {
    EXPECT_GT(column_sum(straight.folder, "grid_moved"), 0) << "the runs must go across grid updates";
  }
  EXPECT_EQ(straight.folder, out + "/DARCY_FLOW/" + config.run.mode + "/straight");
}

TEST(ResumeTest, EveryWayOfTrainingResumesWithTheSameBits) {
  const TempFolder temp("ways");
  for (const auto& [name, config] : ways_of_training(temp.path)) {
    SCOPED_TRACE(name);
    expect_exact_resume(config, temp.path + "/" + name);
    EXPECT_NO_THROW(load_run(config.run.out + "/DARCY_FLOW/" + config.run.mode + "/straight", "cpu"));
  }
}

TEST(ResumeTest, ResumeGivesTheSameBits) {
  const TempFolder temp("resume");
  expect_exact_resume(tiny_config(temp.path), temp.path);
}

TEST(ResumeTest, ResumeGivesTheSameBitsOnTwoThreads) {
  const TempFolder temp("threads");
  auto config = tiny_config(temp.path);
  config.run.threads = 2, config.optimizer.type = "nadam", config.optimizer.ema_decay = 0;
  config.model.prior.basis.kind = "B-spline", config.model.generator.basis.kind = "Cheby";
  expect_exact_resume(config, temp.path);
  at::set_num_threads(1);
}

// What reads a run afterwards uses the values that its newest checkpoint was trained with.
TEST(ResumeTest, ChangedValuesHoldFromTheCheckpointThatTheyMade) {
  const TempFolder temp("changed");
  auto config = named(tiny_config(temp.path), "a");
  config.run.max_steps = 10;
  const auto first = run_tiny(config);
  const RunFolder folder = RunFolder::open(first.folder);
  const double before = config.model.generator.sigma, after = 2 * before;
  EXPECT_EQ(load_run(first.folder, "cpu").config.model.generator.sigma, before);
  auto changed = folder.config();
  changed.model.generator.sigma = after, changed.run.max_steps = 10;
  testing::internal::CaptureStderr();
  run_tiny(changed, first.folder);  // nothing to do: nothing was trained with the new value
  EXPECT_EQ(load_run(first.folder, "cpu").config.model.generator.sigma, before);
  changed.run.max_steps = 20;
  run_tiny(changed, first.folder);
  const std::string said = testing::internal::GetCapturedStderr();
  EXPECT_NE(said.find("GeneratorModel.generator_variance = 0.6 (was 0.3)"), std::string::npos) << said;
  EXPECT_EQ(load_run(first.folder, "cpu").config.model.generator.sigma, after);
  EXPECT_EQ(folder.config().model.generator.sigma, after);
  EXPECT_NE(read_text(folder.file("config.ini")).find("generator_variance = 0.6\n"), std::string::npos);
  EXPECT_NE(read_text(folder.file("config_until_10.ini")).find("generator_variance = 0.3\n"), std::string::npos);
}

TEST(ResumeTest, ARunOnPrincipalComponentsGoesOnWithItsOwn) {
  const TempFolder temp("pca");
  auto config = tiny_config(temp.path);
  config.data.use_pca = true, config.data.pca_components = 6, config.model.generator.output_activation = "identity";
  config.run.name = "a", config.run.max_steps = 10;
  const Dataset pictures = tiny_data();
  const Dataset data = project(pictures, std::make_shared<Pca>(fit_pca(pictures, 6)));
  const Report report = Trainer(config, data).fit();
  LoadedRun run = load_run(report.folder, "cpu");
  ASSERT_TRUE(run.pca);
  EXPECT_TRUE(at::equal(run.pca->components, data.pca->components));
  const at::NoGradGuard no_grad;
  const auto made = run.model->generate(run.model->prior->view()->sample(3, Rng(1), Stream::kTest, 0));
  EXPECT_EQ(made.sizes(), (std::vector<int64_t>{3, 1, 1, 6}));
  EXPECT_TRUE(at::equal(run.to_images(made), data.pca->reconstruct(made)));
  EXPECT_EQ(run.to_images(made).sizes(), (std::vector<int64_t>{3, 1, 4, 4}));
  const std::string path = report.folder + "/pca.safetensors";
  std::string image = read_text(path);
  image[image.size() - 2] = static_cast<char>(image[image.size() - 2] ^ 1);  // a bit of a component
  write_text(path, image);
  EXPECT_THROW(load_run(report.folder, "cpu"), DataError);
  TrainOptions again;
  again.resume = report.folder;
  EXPECT_THROW(train(RunFolder::open(report.folder).config(), again), DataError);
}

}  // namespace
}  // namespace kaem
