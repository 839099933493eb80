// One model trained by several processes, as launchers start them.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "apps/background.h"
#include "apps/tiny_file.h"
#include "kaem/core/error.h"
#include "kaem/core/str.h"
#include "kaem/dist/place.h"

namespace kaem {
namespace {

class Group : public Background {
 protected:
  void SetUp() override {
    Background::SetUp();
    write("tiny.ini", kTinyFile);
  }

  /// What a launcher on this machine exports for rank r of n. The port is that of this test's process.
  static std::string variables(int rank, int size) {
    return str("export RANK=", rank, " WORLD_SIZE=", size, " LOCAL_RANK=", rank, " LOCAL_WORLD_SIZE=", size,
               " MASTER_ADDR=127.0.0.1 MASTER_PORT=", 20000 + ::getpid() % 20000, "; ");
  }

  /// Starts n processes with these arguments; out.N.txt has what each prints, status.N.txt how it ends.
  void start_all(int size, const std::string& arguments) const {
    for (int rank = 0; rank < size; ++rank) {
      for (const char* file : {"pid.", "status."}) std::filesystem::remove(folder / str(file, rank, ".txt"));
      const std::string command = str("cd ", folder.string(), " && { ", variables(rank, size),
                                      "XDG_CACHE_HOME=", folder.string(), "/cache KAEM_DATA_DIR= ", program(), " ",
                                      arguments, " >out.", rank, ".txt 2>&1 </dev/null & echo $! >pid.", rank,
                                      ".txt; wait $!; echo $? >status.", rank, ".txt; } >/dev/null 2>&1 </dev/null &");
      ASSERT_EQ(std::system(command.c_str()), 0);
    }
  }

  int number_in(const std::string& file) const {
    EXPECT_TRUE(comes([&] { return content_of(folder / file).ends_with('\n'); })) << file;
    return std::stoi(content_of(folder / file));
  }

  std::vector<int> statuses(int size) const {
    std::vector<int> all;
    for (int rank = 0; rank < size; ++rank) all.push_back(number_in(str("status.", rank, ".txt")));
    return all;
  }

  std::string printed(int rank) const { return content_of(folder / str("out.", rank, ".txt")); }

  /// A column of a run's metrics.csv.
  std::vector<double> column(const std::string& run, const std::string& name) const {
    std::istringstream lines(content_of(folder / "runs/DARCY_PERM" / run / "metrics.csv"));
    std::vector<double> values;
    size_t place = 0;
    bool header = true;
    for (std::string line; std::getline(lines, line); header = false) {
      std::istringstream fields(line);
      std::vector<std::string> row;
      for (std::string field; std::getline(fields, field, ',');) row.push_back(field);
      if (header)
        place = static_cast<size_t>(std::find(row.begin(), row.end(), name) - row.begin());
      else
        values.push_back(std::stod(row.at(place)));
    }
    return values;
  }

  void expect_close(const std::string& run, const std::string& other) const {
    const auto a = column(run, "loss"), b = column(other, "loss");
    ASSERT_EQ(a.size(), b.size());
    for (size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a[i], b[i], 1e-5 * std::abs(a[i])) << run << " update " << i + 1;
  }
};

constexpr const char* kTrain = "train --dataset DARCY_PERM --config tiny.ini --device cpu --threads 1 --quiet ";

TEST_F(Group, TrainsAsOneProcessDoes) {
  for (const std::string mode : {"vanilla", "thermo", "variational"}) {
    const std::string train = std::string(kTrain) + "--max-steps 20 --set TRAINING.N_epochs=5 --mode " + mode +
                              " --set THERMODYNAMIC_INTEGRATION.N_langevin_per_temp=2 "
                              "--set POST_LANGEVIN.chain_start=persistent ";
    ASSERT_EQ(kaem(train + "--name one").status, 0);
    for (const int size : {2, 4}) {
      start_all(size, train + str("--name of_", size));
      ASSERT_EQ(statuses(size), std::vector<int>(size, 0)) << mode << printed(0) << printed(1);
      expect_close(mode + "/one", mode + str("/of_", size));
    }
    EXPECT_EQ(printed(1), "") << "the first process speaks for all";
  }
  const auto meta = nlohmann::json::parse(content_of(folder / "runs/DARCY_PERM/vanilla/of_4/meta.json"));
  EXPECT_EQ(meta.at("processes"), 4);
}

/// The generator and the encoder normalise by all rows of a batch, wherever they are. By SGD: a bias before batch norm
/// has no gradient but rounding, which Adam would scale up.
TEST_F(Group, BatchNormSeesTheWholeBatch) {
  const std::string layers =
      "--max-steps 12 --set TRAINING.N_epochs=5 --set CNN.use_cnn_lkhood=true --set CNN.batchnorm=true --set "
      "CNN.strides=1,2 "
      "--set CNN.kernel_sizes=4,4 --set CNN.paddings=0,1 --set CNN.hidden_feature_dims=3 --set Encoder.type=cnn "
      "--set Encoder.batchnorm=true --set Encoder.hidden_feature_dims=3 --set Encoder.strides=2 "
      "--set Encoder.kernel_sizes=4 --set Encoder.paddings=1 --set THERMODYNAMIC_INTEGRATION.N_langevin_per_temp=2 "
      "--set OPTIMIZER.type=sgd --set OPTIMIZER.learning_rate=0.001 ";
  const std::map<std::string, std::string> ways = {
      {"importance", "--mode vanilla --set POST_LANGEVIN.sampler=importance"},
      {"proposal", "--mode vanilla --set POST_LANGEVIN.sampler=proposal"},
      {"ula", "--mode vanilla --set POST_LANGEVIN.sampler=ula --set POST_LANGEVIN.iters=2"},
      {"thermo", "--mode thermo"},
      {"variational", "--mode variational"}};
  for (const auto& [name, way] : ways) {
    const std::string train = kTrain + layers + way + " --set TRAINING.log_steps=1 --name ";
    const auto one = kaem(train + name + "_one");
    ASSERT_EQ(one.status, 0) << name << one.err;
    start_all(2, train + name + "_two");
    ASSERT_EQ(statuses(2), std::vector<int>(2, 0)) << name << printed(0) << printed(1);
    const std::string mode = name == "thermo" || name == "variational" ? name : "vanilla";
    expect_close(str(mode, "/", name, "_one"), str(mode, "/", name, "_two"));
  }
}

TEST_F(Group, GoesOnWithAnyNumberOfProcesses) {
  const std::string train = std::string(kTrain) + "--mode thermo --set TRAINING.N_epochs=6 " +
                            "--set POST_LANGEVIN.chain_start=persistent --set TRAINING.checkpoint_every=-1 " +
                            "--set THERMODYNAMIC_INTEGRATION.schedule=adaptive ";
  ASSERT_EQ(kaem(train + "--name one").status, 0);
  start_all(4, train + "--name parts --max-steps 9");
  ASSERT_EQ(statuses(4), std::vector<int>(4, 0)) << printed(0) << printed(3);
  const std::string resume =
      "train --resume runs/DARCY_PERM/thermo/parts --quiet --threads 1 --device cpu --max-steps ";
  ASSERT_EQ(kaem(resume + "14").status, 0);
  start_all(2, resume + "24");
  ASSERT_EQ(statuses(2), std::vector<int>(2, 0)) << printed(0) << printed(1);
  expect_close("thermo/one", "thermo/parts");
}

TEST_F(Group, EndsWithALostProcess) {
  for (const int lost : {1, 0}) {
    start_all(2, std::string(kTrain) + str("--set TRAINING.N_epochs=100000 --name lost_", lost));
    ASSERT_TRUE(comes([&] {
      const std::string metrics = content_of(folder / str("runs/DARCY_PERM/vanilla/lost_", lost, "/metrics.csv"));
      return std::count(metrics.begin(), metrics.end(), '\n') > 5;
    }));
    ASSERT_EQ(::kill(number_in(str("pid.", lost, ".txt")), SIGKILL), 0);
    const auto ends = statuses(2);
    EXPECT_EQ(ends[lost], 128 + SIGKILL);
    EXPECT_EQ(ends[1 - lost], 1);
    const std::string said = printed(1 - lost);
    EXPECT_HAS(said, str("kaem: process ", 1 - lost, " of 2: a sum: another process of the run was lost"));
    EXPECT_EQ(std::count(said.begin(), said.end(), '\n'), 1) << said;
  }
}

TEST_F(Group, ASignalToOneStopsAllOnceTheCheckpointIsWritten) {
  start_all(2, std::string(kTrain) + "--set TRAINING.N_epochs=100000 --name stopped");
  const auto metrics = [&] { return content_of(folder / "runs/DARCY_PERM/vanilla/stopped/metrics.csv"); };
  ASSERT_TRUE(comes([&] { return std::ranges::count(metrics(), '\n') > 5; }));
  ASSERT_EQ(::kill(number_in("pid.1.txt"), SIGTERM), 0);
  EXPECT_EQ(statuses(2), std::vector<int>(2, 128 + SIGTERM)) << printed(0) << printed(1);
  EXPECT_HAS(printed(0), "its checkpoint is written");
  EXPECT_EQ(kaem("train --resume runs/DARCY_PERM/vanilla/stopped --quiet --set TRAINING.N_updates=1").status, 0);
}

TEST_F(Group, WhatOneProcessCannotDoEndsAll) {
  ASSERT_EQ(kaem(std::string(kTrain) + "--name there").status, 0);
  start_all(2, std::string(kTrain) + "--name there");  // the run exists
  const auto ends = statuses(2);
  EXPECT_EQ(ends[0], 2) << printed(0);
  EXPECT_EQ(ends[1], 1) << printed(1);
  EXPECT_HAS(printed(0), "exists: choose another --name");
  start_all(2, std::string(kTrain) + "--name b --set TRAINING.batch_size=1");
  EXPECT_EQ(statuses(2), std::vector<int>(2, 2));
  EXPECT_HAS(printed(1), "fewer data than the 2 processes that share a batch");
  start_all(2, std::string(kTrain) + "--name c --budget 10s");
  EXPECT_EQ(statuses(2), std::vector<int>(2, 2));
}

TEST_F(Group, AllMustHaveTheSameSettings) {
  start_all(2, std::string(kTrain) + "--name a --seed $((RANK + 1))");
  EXPECT_EQ(statuses(2), std::vector<int>(2, 2)) << printed(0) << printed(1);
  EXPECT_HAS(printed(0), "process 0: another process has other settings or data");
  EXPECT_HAS(printed(1), "process 1 has TRAINING.seed = 2, process 0 has 1; all must be started");
  EXPECT_FALSE(std::filesystem::exists(folder / "runs"));
  start_all(2, std::string(kTrain) + "--name a --mode $([ $RANK = 1 ] && echo thermo || echo vanilla)");
  EXPECT_EQ(statuses(2), std::vector<int>(2, 2)) << printed(0) << printed(1);
  start_all(2, std::string(kTrain) + "--name a --max-steps $((RANK + 3))");
  EXPECT_EQ(statuses(2), std::vector<int>(2, 2)) << printed(0) << printed(1);
  EXPECT_HAS(printed(1), "another --max-steps");
}

TEST_F(Group, DoesNotWaitForEver) {
  for (const int alone : {0, 1}) {
    const std::string command = str("cd ", folder.string(), " && (", variables(alone, 2), "KAEM_MEETING_SECONDS=2 ",
                                    program(), " ", kTrain, "--name alone) >out.txt 2>err.txt");
    const int status = std::system(command.c_str());
    EXPECT_EQ(WEXITSTATUS(status), 1);
    const std::string said = content_of(folder / "err.txt");
    EXPECT_HAS(said, str("kaem: process ", alone, " of 2 cannot meet the others at 127.0.0.1:"));
    EXPECT_EQ(std::ranges::count(said, '\n'), 1) << said;
  }
}

TEST_F(Group, OtherCommandsAreNoParts) {
  write("j.txt", "DARCY_PERM vanilla config=tiny.ini\n");
  start_all(2, "jobs j.txt");
  EXPECT_EQ(statuses(2), std::vector<int>(2, 2));
  EXPECT_HAS(printed(1), "kaem train alone runs in several processes");
}

TEST(Place, ReadsWhatLaunchersSay) {
  const auto of = [](std::map<std::string, std::string> variables) {
    return dist::place_of([variables](const char* name) -> const char* {
      const auto found = variables.find(name);
      return found == variables.end() ? nullptr : found->second.c_str();
    });
  };
  EXPECT_EQ(of({}).size, 1);
  const auto torchrun = of({{"RANK", "5"},
                            {"WORLD_SIZE", "8"},
                            {"LOCAL_RANK", "1"},
                            {"LOCAL_WORLD_SIZE", "4"},
                            {"MASTER_ADDR", "node7"},
                            {"MASTER_PORT", "1234"},
                            {"TORCHELASTIC_USE_AGENT_STORE", "True"},
                            {"TORCHELASTIC_RESTART_COUNT", "2"}});
  EXPECT_EQ(torchrun.rank, 5);
  EXPECT_EQ(torchrun.size, 8);
  EXPECT_EQ(torchrun.local_rank, 1);
  EXPECT_EQ(torchrun.local_size, 4);
  EXPECT_EQ(torchrun.address, "node7");
  EXPECT_EQ(torchrun.port, 1234);
  EXPECT_TRUE(torchrun.hosted);
  EXPECT_EQ(torchrun.attempt, "2");
  // A batch script has SLURM_NTASKS, but srun has started nothing.
  EXPECT_EQ(of({{"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "4"}}).size, 1);
  const auto srun = of({{"SLURM_PROCID", "3"},
                        {"SLURM_STEP_NUM_TASKS", "4"},
                        {"SLURM_LOCALID", "3"},
                        {"SLURM_STEP_TASKS_PER_NODE", "4"}});
  EXPECT_EQ(srun.rank, 3);
  EXPECT_EQ(srun.address, "127.0.0.1");
  EXPECT_EQ(srun.port, 29500);
  EXPECT_THROW(of({{"SLURM_PROCID", "3"}, {"SLURM_STEP_NUM_TASKS", "4"}, {"SLURM_STEP_TASKS_PER_NODE", "2(x2)"}}),
               UsageError)
      << "several machines, and nobody says where the first one is";
  EXPECT_EQ(
      of({{"OMPI_COMM_WORLD_RANK", "1"}, {"OMPI_COMM_WORLD_SIZE", "2"}, {"OMPI_COMM_WORLD_LOCAL_SIZE", "2"}}).rank, 1);
  EXPECT_THROW(of({{"WORLD_SIZE", "2"}}), UsageError);
  EXPECT_THROW(of({{"WORLD_SIZE", "2"}, {"RANK", "2"}}), UsageError);
  EXPECT_THROW(of({{"WORLD_SIZE", "two"}, {"RANK", "0"}}), UsageError);
}

}  // namespace
}  // namespace kaem
