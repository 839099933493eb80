// Searches on a problem small enough to train in a moment.
#include <ATen/ATen.h>
#include <signal.h>

#include <algorithm>
#include <sstream>

#include "apps/background.h"
#include "apps/tiny_file.h"
#include "kaem/io/npy.h"

namespace kaem {
namespace {

constexpr const char* kOptions = " --config t.ini --dataset DARCY_PERM --device cpu --threads 1 ";

class Tune : public Background {
 protected:
  void SetUp() override {
    Background::SetUp();
    search("sampler = grid\nOPTIMIZER.learning_rate = choice 1e-9 1e-2\n");
  }
  void search(const std::string& tuning) const {
    write("t.ini", std::string(kTinyFile) + "[TUNING]\ntest_data = 4\ndraws = 100\n" + tuning);
  }
  std::filesystem::path result(const std::string& name, const std::string& file) const {
    return folder / "runs/DARCY_PERM/tune" / name / file;
  }
};

/// Rows of results.csv without its header, a row's fields apart.
std::vector<std::vector<std::string>> rows_of(const std::string& csv) {
  std::vector<std::vector<std::string>> rows;
  std::istringstream text(csv);
  std::string line;
  std::getline(text, line);
  while (std::getline(text, line)) {
    rows.emplace_back();
    std::istringstream fields(line);
    for (std::string field; std::getline(fields, field, ',');) rows.back().push_back(field);
  }
  return rows;
}

TEST_F(Tune, FindsTheBetterOfTwoSettings) {
  for (const std::string metric : {"loglik", "loss", "reconstruction"}) {
    const Outcome outcome =
        kaem("tune" + std::string(kOptions) + "--name " + metric + " --set TUNING.metric=" + metric);
    ASSERT_EQ(outcome.status, 0) << outcome.err;
    const std::string csv = content_of(result(metric, "results.csv"));
    EXPECT_EQ(csv.substr(0, csv.find('\n')), "trial,status,updates,metric,OPTIMIZER.learning_rate");
    const auto rows = rows_of(csv);
    ASSERT_EQ(rows.size(), 2u) << csv;
    EXPECT_EQ(rows[0][1] + rows[1][1], "donedone");
    const double slow = std::stod(rows[0][3]), quick = std::stod(rows[1][3]);
    EXPECT_TRUE(metric == "loglik" ? quick > slow : quick < slow) << csv;
    EXPECT_HAS(outcome.out, "best: trial_001");
    EXPECT_HAS(content_of(result(metric, "best.ini")), "\nlearning_rate = 0.01\n");
  }
  const Outcome trained = kaem("train --config " + result("loss", "best.ini").string() + " --device cpu --max-steps 2");
  EXPECT_EQ(trained.status, 0) << trained.err;
}

TEST_F(Tune, HalvingGoesOnWithTheBestAndIsResumedToTheSameResults) {
  search("sampler = halving\nnum_trials = 6\neta = 2\nmetric = loss\nOPTIMIZER.learning_rate = log 1e-6 1e-2\n");
  const std::string long_run = std::string("tune") + kOptions + "--set TRAINING.N_epochs=60 ";
  const Outcome straight = kaem(long_run + "--name straight");
  ASSERT_EQ(straight.status, 0) << straight.err;
  const std::string csv = content_of(result("straight", "results.csv"));
  const auto rows = rows_of(csv);
  ASSERT_EQ(rows.size(), 6u + 3 + 2 + 1) << csv;
  const std::vector<std::string> steps = {"30", "60", "120", "240"};
  for (size_t i = 0; i < rows.size(); ++i) EXPECT_EQ(rows[i][2], steps[i < 6 ? 0 : i < 9 ? 1 : i < 11 ? 2 : 3]);
  std::vector<std::pair<double, std::string>> first, kept;
  for (size_t i = 0; i < 6; ++i) first.emplace_back(std::stod(rows[i][3]), rows[i][0]);
  std::sort(first.begin(), first.end());
  for (size_t i = 0; i < 3; ++i) kept.push_back(first[i]);
  for (size_t i = 6; i < 9; ++i)
    EXPECT_TRUE(std::any_of(kept.begin(), kept.end(), [&](const auto& k) { return k.second == rows[i][0]; })) << csv;
  EXPECT_HAS(straight.out, "after 240 updates");

  const pid_t parent = start(long_run + "--name killed");
  ASSERT_TRUE(comes([&] { return rows_of(content_of(result("killed", "results.csv"))).size() >= 2; }));
  ASSERT_EQ(::kill(parent, SIGKILL), 0);
  EXPECT_EQ(status_of_started(), 128 + SIGKILL);
  ASSERT_LT(rows_of(content_of(result("killed", "results.csv"))).size(), rows.size())
      << "over before it could be killed";
  EXPECT_HAS(refused("tune" + std::string(kOptions) + "--name killed"), "exists");
  const Outcome other = kaem("tune" + std::string(kOptions) + "--name killed --resume");
  EXPECT_EQ(other.status, 2);
  EXPECT_HAS(other.err, "begun with other settings");
  const Outcome resumed = kaem(long_run + "--resume");
  ASSERT_EQ(resumed.status, 0) << resumed.err;
  EXPECT_EQ(content_of(result("killed", "results.csv")), csv);
  EXPECT_EQ(content_of(result("killed", "best.ini")), content_of(result("straight", "best.ini")));
}

TEST_F(Tune, RoundsAreThoseOfTheRecordsThatAreThere) {
  search("sampler = halving\nnum_trials = 4\neta = 2\nmetric = loss\nOPTIMIZER.learning_rate = log 1e-6 1e-2\n");
  io::write_npy((folder / "few.npy").string(), at::rand({14, 8, 8}).round());
  const Outcome outcome = kaem(std::string("tune") + kOptions + "--name few --set DATA.darcy_file=few.npy");
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  // 10 records in batches of 4 are 2 updates an epoch, 6 in all, not the 12 of N_train = 16.
  EXPECT_HAS(outcome.out, "after 6 updates");
  const auto rows = rows_of(content_of(result("few", "results.csv")));
  ASSERT_FALSE(rows.empty());
  EXPECT_EQ(rows.front()[2], "1");
  EXPECT_EQ(rows.back()[2], "6");
}

TEST_F(Tune, ACrashIsAFailedTrialAndContradictionsAreSaid) {
  search(
      "sampler = grid\nmetric = loss\nOPTIMIZER.learning_rate = choice 9e8 1e-3\n"
      "GeneratorModel.output_activation = choice sigmoid tanh\nGeneratorModel.likelihood = choice bernoulli "
      "gaussian\n");
  const Outcome outcome = kaem("tune --set OPTIMIZER.type=sgd" + std::string(kOptions) + "--name x");
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  const auto rows = rows_of(content_of(result("x", "results.csv")));
  ASSERT_EQ(rows.size(), 8u);
  EXPECT_EQ(rows[0][1], "failed");
  EXPECT_EQ(rows[2][1], "invalid") << "bernoulli needs sigmoid";
  EXPECT_EQ(rows[4][1], "done");
  EXPECT_EQ(rows[6][1], "invalid");
  EXPECT_HAS(outcome.err, "likelihood = bernoulli needs sigmoid");
}

TEST_F(Tune, PlansAndRefusals) {
  const Outcome plan = kaem("tune" + std::string(kOptions) + "--dry-run --name y");
  ASSERT_EQ(plan.status, 0) << plan.err;
  for (const char* part : {"grid, compared by loglik (higher is better)", "2 trials of 12 updates",
                           "learning_rate=1e-9", "runs/DARCY_PERM/tune/y"})
    EXPECT_HAS(plan.out, part);
  EXPECT_FALSE(std::filesystem::exists(folder / "runs"));
  EXPECT_HAS(refused("tune"), "expected --dataset D or --config F");
  EXPECT_HAS(
      refused("tune --mode baseline-gan --set 'TUNING.OPTIMIZER.learning_rate=log 1e-4 1e-2'" + std::string(kOptions)),
      "no range has an effect in mode baseline-gan");
  EXPECT_HAS(refused("tune --set TRAINING.budget=5m" + std::string(kOptions)), "at equal updates");
  EXPECT_HAS(refused("tune --resume" + std::string(kOptions)), "there is no search below runs/DARCY_PERM/tune yet");
  EXPECT_HAS(refused("tune --set TUNING.sampler=grdi" + std::string(kOptions)), "expected one of: random grid halving");
  EXPECT_HAS(refused("tune --set 'TUNING.OPTIMIZER.learning_rate=log 1'" + std::string(kOptions)),
             "log needs two numbers");
}

TEST_F(Tune, IsAModeOfJobs) {
  write("j.txt",
        "DARCY_PERM tune config=t.ini name=a TUNING.metric=loss\nDARCY_PERM tune config=t.ini TUNING.metrc=x\n");
  EXPECT_EQ(kaem("jobs j.txt").status, 2);
  EXPECT_HAS(content_of(folder / "err.txt"), "j.txt:2: TUNING.metrc=x: unknown key; did you mean 'metric'?");
  write("j.txt", "DARCY_PERM tune config=t.ini name=a TUNING.metric=loss\n");
  const Outcome outcome = kaem("jobs j.txt --device cpu --threads 1");
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_HAS(outcome.out, "runs/DARCY_PERM/tune/a");
  EXPECT_TRUE(std::filesystem::exists(result("a", "best.ini")));
}

}  // namespace
}  // namespace kaem
