#include "kaem/train/trainer.h"
#include "kaem/prior/prior.h"

#include <ATen/Parallel.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/wait.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <csignal>
#include <cstdlib>
#include <map>
#include <thread>

#include "kaem/core/error.h"
#include "tiny_run.h"

namespace kaem {
namespace {

namespace fs = std::filesystem;

TEST(TrainerTest, OtherSeedsAreOtherRuns) {
  const TempFolder temp("seeds");
  auto config = named(tiny_config(temp.path), "a");
  config.run.max_steps = 5;
  run_tiny(config);
  config.run.name = "b", config.run.seed = 8;
  run_tiny(config);
  EXPECT_NE(metrics_of(temp / "DARCY_FLOW/vanilla/a"), metrics_of(temp / "DARCY_FLOW/vanilla/b"));
}

TEST(TrainerTest, LeavesARunFolder) {
  const TempFolder temp("folder");
  auto config = tiny_config(temp.path);
  config.run.sample_epochs = 5, config.run.checkpoint_steps = 24;
  config.notes = {"a note on the configuration"};
  const auto report = run_tiny(config);
  const RunFolder folder = RunFolder::open(report.folder);
  EXPECT_EQ(folder.checkpoint_steps(), (std::vector<int64_t>{24, 48, 60}));
  for (const std::string name : {"config.ini", "meta.json", "metrics.csv", "log.txt", "samples/step_20.png",
                                 "samples/step_40.png", "samples/step_60.png"})
    EXPECT_TRUE(fs::exists(folder.file(name))) << name;
  EXPECT_EQ(report.samples, folder.file("samples/step_60.png"));
  const auto rows = metrics_of(report.folder);
  const std::vector<std::string> names = {"step",       "epoch",        "loss",        "log_prior", "log_likelihood",
                                          "residual",   "log_evidence", "ess",         "grad_norm", "lr",
                                          "grid_moved", "grid_halved",  "grid_skipped"};
  EXPECT_EQ(rows.front(), names);
  std::vector<std::string> steps;
  for (size_t i = 1; i < rows.size(); ++i) steps.push_back(rows[i].front());
  EXPECT_EQ(steps, (std::vector<std::string>{"7", "14", "21", "28", "35", "42", "49", "56", "60"}));
  const std::string log = read_text(folder.file("log.txt"));
  EXPECT_NE(log.find("a note on the configuration"), std::string::npos) << log;
  EXPECT_NE(log.find("done: 60 updates"), std::string::npos) << log;
}

TEST(TrainerTest, LearnsABatchByHeart) {
  const TempFolder temp("overfit");
  auto config = tiny_config(temp.path);
  config.run.overfit_batch = true, config.run.epochs = 75, config.optimizer.ema_decay = 0;
  config.optimizer.learning_rate = 0.02, config.schedule = {}, config.run.log_steps = 50;
  run_tiny(named(config, "run"));
  const auto rows = metrics_of(temp / "DARCY_FLOW/vanilla/run");
  EXPECT_LT(std::stod(rows.back()[2]), std::stod(rows[1][2]) - 1) << "the loss must fall";
}

TEST(TrainerTest, LoadedRunHoldsTheAverages) {
  const TempFolder temp("load");
  const auto report = run_tiny(tiny_config(temp.path));
  auto run = load_run(report.folder, "cpu");
  const auto checkpoint = RunFolder::open(report.folder).load_checkpoint();
  EXPECT_EQ(run.step, 60);
  EXPECT_EQ(run.scale_min, -1);
  EXPECT_EQ(run.scale_max, 3);
  EXPECT_FALSE(run.model->is_training());
  for (const auto& p : run.model->named_parameters()) {
    EXPECT_TRUE(at::equal(p.value(), checkpoint.tensors.at("ema." + p.key()))) << p.key();
    EXPECT_FALSE(at::equal(p.value(), checkpoint.tensors.at("model." + p.key()))) << p.key();
    EXPECT_FALSE(p.value().requires_grad());
  }
  EXPECT_EQ(run.model->generate(run.model->prior->view()->sample(3, Rng(1), Stream::kSample, 0)).sizes(),
            at::IntArrayRef({3, 1, 4, 4}));
}

TEST(TrainerTest, AveragesFollowGridUpdates) {
  // Weights that do not move: averaged and raw curves are the same functions, whatever the grids do.
  const TempFolder temp("average_grids");
  auto config = tiny_config(temp.path);
  config.optimizer.learning_rate = config.optimizer.prior_learning_rate = 1e-30;
  config.model.generator.basis.eps_scale = 20, config.model.generator.basis.activation = "none";
  config.grid.prior = false, config.grid.samples = 64;
  const auto latents = Rng(5).uniform(Stream::kTest, 0, {200, 5, 2}) * 1.6 - 0.8;
  const auto curves = [&](double decay) {
    config.optimizer.ema_decay = decay;
    const auto report = run_tiny(config);
    EXPECT_GT(column_sum(report.folder, "grid_moved"), 0);
    return load_run(report.folder, "cpu").model->generate_raw(latents);
  };
  const auto averaged = curves(0.9999), raw = curves(0);
  EXPECT_LT(((averaged - raw).norm() / raw.norm()).item<double>(), 0.15);
}

TEST(TrainerTest, AnotherShapeIsRefusedOnResume) {
  const TempFolder temp("shape");
  auto config = tiny_config(temp.path);
  config.run.max_steps = 3;
  const auto report = run_tiny(config);
  config.model.generator.widths = {5, 9};
  try {
    run_tiny(config, report.folder);
    FAIL();
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("model.generator"), std::string::npos) << e.what();
  }
}

TEST(TrainerTest, ResumeWithoutACheckpointBeginsAgain) {
  const TempFolder temp("again");
  const auto config = tiny_config(temp.path);
  const auto straight = run_tiny(named(config, "straight"));
  const auto empty = RunFolder::create(named(config, "empty"));
  fs::copy_file(straight.folder + "/metrics.csv", empty.file("metrics.csv"));  // rows that no checkpoint vouches for
  testing::internal::CaptureStderr();
  run_tiny(config, empty.path());
  EXPECT_NE(testing::internal::GetCapturedStderr().find("no checkpoint yet"), std::string::npos);
  expect_same_runs(straight.folder, empty.path());
}

TEST(TrainerTest, FallsBackAndGoesOn) {
  const TempFolder temp("fallback");
  auto config = tiny_config(temp.path);
  config.run.checkpoint_steps = 10;
  const auto straight = run_tiny(named(config, "straight"));
  auto stopping = named(config, "stopped");
  stopping.run.max_steps = 33;
  const auto first = run_tiny(stopping);
  const RunFolder folder = RunFolder::open(first.folder);
  for (const int64_t step : {30, 33}) fs::resize_file(folder.checkpoint_path(step), 100);
  testing::internal::CaptureStderr();
  run_tiny(config, first.folder);
  EXPECT_NE(testing::internal::GetCapturedStderr().find("older checkpoint of step 20"), std::string::npos);
  expect_same_runs(straight.folder, first.folder);
}

/// The message of the Error that a run ends with.
std::string failure(const Config& config, const Dataset& data) {
  try {
    Trainer(config, data).fit();
  } catch (const Error& e) {
    EXPECT_EQ(e.exit_status(), 1);
    return e.what();
  }
  return "";
}

TEST(TrainerTest, NanInTheDataNamesUpdateTermAndCheckpoint) {
  const TempFolder temp("nan");
  auto config = named(tiny_config(temp.path), "run");
  config.run.checkpoint_steps = 1;
  auto data = tiny_data();
  data.train = data.train.clone();
  data.train[17].fill_(std::nan(""));
  int64_t bad = 0;  // the first update whose batch holds the planted record
  while (!data.batch(bad, 10, Rng(7)).isnan().any().item<bool>()) ++bad;
  ASSERT_GT(bad, 0) << "another seed is needed: the record fell into the first batch";
  const std::string said = failure(config, data);
  EXPECT_NE(said.find("update " + std::to_string(bad + 1) + ": "), std::string::npos) << said;
  EXPECT_NE(said.find("term 'log_"), std::string::npos) << said;
  EXPECT_NE(said.find("step_" + std::to_string(bad) + ".safetensors"), std::string::npos) << said;
  EXPECT_EQ(said.find('\n'), std::string::npos);
  EXPECT_NE(read_text(temp / "DARCY_FLOW/vanilla/run/log.txt").find(said), std::string::npos);
  // What is on disk is from before the bad update, and whole.
  for (const auto& [name, tensor] : RunFolder::open(temp / "DARCY_FLOW/vanilla/run").load_checkpoint().tensors)
    EXPECT_TRUE(tensor.isfinite().all().item<bool>()) << name;
}

TEST(TrainerTest, UpdatesThatAreNotFiniteMayBeLeftOut) {
  const TempFolder temp("skip");
  auto config = named(tiny_config(temp.path), "run");
  config.optimizer.not_finite = "skip", config.run.log_steps = 1;
  auto data = tiny_data();
  data.train = data.train.clone();
  data.train[17].fill_(std::nan(""));
  const Report report = Trainer(config, data).fit();
  EXPECT_EQ(report.steps, 60);
  EXPECT_TRUE(std::isfinite(report.loss));
  std::vector<std::string> good;  // updates whose batch is without the planted record: these alone have rows
  for (int64_t step = 0; step < 60; ++step)
    if (!data.batch(step, 10, Rng(7)).isnan().any().item<bool>()) good.push_back(std::to_string(step + 1));
  ASSERT_EQ(good.size(), 45U);
  const auto rows = metrics_of(temp / "DARCY_FLOW/vanilla/run");
  ASSERT_EQ(rows.size(), 1 + good.size());
  for (size_t i = 0; i < good.size(); ++i) EXPECT_EQ(rows[i + 1][0], good[i]);
  for (const auto& [name, tensor] : RunFolder::open(temp / "DARCY_FLOW/vanilla/run").load_checkpoint().tensors)
    EXPECT_TRUE(tensor.isfinite().all().item<bool>()) << name;
  // Where no update is finite, leaving out has an end.
  data.train.fill_(std::nan(""));
  EXPECT_NE(failure(named(config, "bad"), data).find("update 10: "), std::string::npos);
}

TEST(TrainerTest, HugeLearningRateStopsWithoutACheckpoint) {
  const TempFolder temp("huge");
  auto config = tiny_config(temp.path);
  config.optimizer.learning_rate = config.optimizer.prior_learning_rate = 1e36, config.optimizer.max_grad_norm = 0;
  config.optimizer.type = "sgd", config.schedule = {};
  const std::string said = failure(config, tiny_data());
  EXPECT_NE(said.find("update 2: "), std::string::npos) << said;
  EXPECT_NE(said.find("none yet"), std::string::npos) << said;
}

TEST(TrainerTest, ADivergingTemperedRunIsSaidInOurWords) {
  for (const std::string gradient : {"mbar", "posterior", "path"}) {
    const TempFolder temp("diverging");
    auto config = tiny_config(temp.path);
    config.run.mode = "thermo", config.objective.criterion = "thermodynamic",
    config.objective.thermo_gradient = gradient;
    config.posterior.sampler = "ula", config.posterior.tempering.levels = 3, config.posterior.tempering.iters = 2;
    config.optimizer.learning_rate = config.optimizer.prior_learning_rate = 1e36, config.optimizer.max_grad_norm = 0;
    config.optimizer.type = "sgd", config.schedule = {};
    EXPECT_EQ(failure(config, tiny_data()).rfind("update 2: ", 0), 0u) << gradient;
  }
}

TEST(TrainerTest, TooFewRecordsForABatchIsAConfigError) {
  const TempFolder temp("few");
  auto config = tiny_config(temp.path);
  config.run.batch_size = 41;
  EXPECT_THROW(run_tiny(config), ConfigError);
  EXPECT_TRUE(fs::is_empty(temp.path)) << "nothing may be made before the input is known to be good";
}

TEST(TrainerTest, BFloat16IsTimedAndRefusedWhereItIsSlowerUnlessForced) {
  const TempFolder temp("precision");
  auto config = named(tiny_config(temp.path), "plain");
  config.run.max_steps = 12;
  run_tiny(config);
  config.model.generator.precision.reduced = "BF16";
  // Which of the two this processor is depends on it; both must be said in one line with both times.
  const auto expect_times = [](const std::string& text) {
    EXPECT_NE(text.find("forward and back, "), std::string::npos) << text;
    EXPECT_NE(text.find(" ms in FP32"), std::string::npos) << text;
  };
  try {
    expect_times(read_text(run_tiny(named(config, "maybe")).folder + "/log.txt"));
  } catch (const ConfigError& error) {
    expect_times(error.what());
    EXPECT_NE(std::string(error.what()).find("force_reduced = true"), std::string::npos) << error.what();
    EXPECT_FALSE(fs::exists(temp / "DARCY_FLOW/vanilla/maybe"));
  }
  config.model.generator.precision.forced = true;
  expect_times(read_text(run_tiny(named(config, "forced")).folder + "/log.txt"));
  EXPECT_NE(metrics_of(temp / "DARCY_FLOW/vanilla/plain"), metrics_of(temp / "DARCY_FLOW/vanilla/forced"));
  const double plain = column_sum(temp / "DARCY_FLOW/vanilla/plain", "residual"),
               forced = column_sum(temp / "DARCY_FLOW/vanilla/forced", "residual");
  EXPECT_NEAR(forced, plain, 0.02 * plain);
}

TEST(TrainerTest, Tf32IsForGpus) {
  const TempFolder temp("tf32");
  auto config = tiny_config(temp.path);
  config.model.generator.precision.reduced = "TF32";
  try {
    run_tiny(config);
    ADD_FAILURE() << "this runs on the processor";
  } catch (const ConfigError& error) {
    EXPECT_NE(std::string(error.what()).find("only GPUs"), std::string::npos) << error.what();
  }
}

TEST(TrainerTest, TwoProgramsInOneFolderAreRefused) {
  const TempFolder temp("lock");
  auto config = tiny_config(temp.path);
  config.run.max_steps = 2;
  const auto report = run_tiny(config);
  // A lock belongs to the open file, so that another opening in this process stands for another program.
  const int other = ::open(report.folder.c_str(), O_RDONLY | O_DIRECTORY);
  ASSERT_EQ(::flock(other, LOCK_EX | LOCK_NB), 0) << "a run that is over holds no lock";
  EXPECT_THROW(run_tiny(config, report.folder), UsageError);
  ::close(other);
}

TEST(DeviceTest, Names) {
  EXPECT_EQ(resolve_device("cpu"), "cpu");
  const auto automatic = resolve_device("auto");
  EXPECT_TRUE(automatic == "cpu" || automatic == "cuda:0") << automatic;
  for (const std::string bad : {"gpu", "cuda:", "cuda:x", "cuda:-1", "CPU "})
    EXPECT_THROW(resolve_device(bad), UsageError) << bad;
  if (automatic == "cpu") {
    EXPECT_THROW(resolve_device("cuda"), UsageError);
  }
}

/// What the child of the tests below runs (as a program of its own: a forked copy of a process with threads is none).
TEST(TrainerChild, DISABLED_Run) {
  const char* out = std::getenv("KAEM_TEST_CHILD");
  ASSERT_NE(out, nullptr);
  auto config = named(tiny_config(out), "child");
  config.run.epochs = 1000, config.run.checkpoint_steps = 10;
  int status = 0;
  try {
    run_tiny(config);
  } catch (const Error& e) {
    std::fprintf(stderr, "%s\n", e.what());
    status = e.exit_status();
  }
  std::_Exit(status);
}

struct Child {
  std::string out;
  pid_t pid = -1;
  std::string run() const { return out + "/DARCY_FLOW/vanilla/child"; }

  explicit Child(const std::string& folder) : out(folder) {
    pid = ::fork();
    if (pid != 0) return;
    ::setenv("KAEM_TEST_CHILD", out.c_str(), 1);
    const int file = ::open((out + "/child.txt").c_str(), O_WRONLY | O_CREAT, 0666);
    ::dup2(file, 1), ::dup2(file, 2);
    for (const int signal : {SIGINT, SIGHUP}) ::signal(signal, SIG_DFL);  // a shell's background jobs ignore them
    ::execl("/proc/self/exe", "child", "--gtest_also_run_disabled_tests", "--gtest_filter=TrainerChild.DISABLED_Run",
            static_cast<char*>(nullptr));
    std::_Exit(99);
  }

  /// Sends `signal` once a checkpoint of step 20 or later exists; the wait status, or -1 if the child ended before.
  int end_by(int signal) const {
    for (int i = 0; i < 12000; ++i) {
      int status = 0;
      if (::waitpid(pid, &status, WNOHANG) == pid) return -1;
      if (fs::exists(run() + "/config.ini")) {
        const auto steps = RunFolder::open(run()).checkpoint_steps();
        if (!steps.empty() && steps.back() >= 20) break;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    ::kill(pid, signal);
    int status = 0;
    ::waitpid(pid, &status, 0);
    return status;
  }
};

/// The child's run, taken on to 40 updates beyond where it ended, is the same as one that never stopped.
void expect_resumable(const Child& child, const TempFolder& temp) {
  const auto stopped = RunFolder::open(child.run()).load_checkpoint().step;
  auto config = RunFolder::open(child.run()).config();
  config.run.out = temp.path, config.run.quiet = true;
  config.run.max_steps = stopped + 40;
  run_tiny(config, child.run());
  config.run.name = "straight";
  const auto straight = run_tiny(config);
  expect_same_runs(straight.folder, child.run());
}

TEST(TrainerTest, SurvivesKillNine) {
  const TempFolder temp("kill");
  const Child child(temp.path);
  const int status = child.end_by(SIGKILL);
  ASSERT_TRUE(status != -1 && WIFSIGNALED(status)) << read_text(temp / "child.txt");
  std::ofstream(child.run() + "/metrics.csv", std::ios::app) << "12345,1,0.";  // as if killed inside a line
  expect_resumable(child, temp);
}

TEST(TrainerTest, SignalsWriteACheckpoint) {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGUSR1}) {
    const TempFolder temp("signal");
    const Child child(temp.path);
    const int status = child.end_by(signal);
    const std::string said = read_text(temp / "child.txt");
    ASSERT_TRUE(status != -1 && WIFEXITED(status)) << said;
    EXPECT_EQ(WEXITSTATUS(status), 128 + signal);
    EXPECT_NE(said.find("kaem train --resume " + child.run()), std::string::npos) << said;
    const auto stopped = RunFolder::open(child.run()).load_checkpoint().step;
    EXPECT_NE(said.find("interrupted after update " + std::to_string(stopped) + ";"), std::string::npos) << said;
    expect_resumable(child, temp);
  }
}

TEST(TrainerTest, SignalHandlersAreRestored) {
  const TempFolder temp("handlers");
  struct sigaction before {
  }, after{};
  sigaction(SIGINT, nullptr, &before);
  auto config = tiny_config(temp.path);
  config.run.max_steps = 2;
  run_tiny(config);
  sigaction(SIGINT, nullptr, &after);
  EXPECT_EQ(before.sa_handler, after.sa_handler);
}

}  // namespace
}  // namespace kaem
