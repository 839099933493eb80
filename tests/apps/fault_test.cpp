// What can befall a run from outside: it ends in one clear line, and goes on to the numbers of a run that nothing
// befell.
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <sstream>
#include <thread>

#include "apps/background.h"
#include "apps/tiny_file.h"
#include "kaem/core/str.h"

namespace kaem {
namespace {

class Fault : public Background {
 protected:
  void SetUp() override {
    Background::SetUp();
    write("tiny.ini", kTinyFile);
  }

  static std::string train(const std::string& name) {
    return str("train --dataset DARCY_PERM --config tiny.ini --device cpu --threads 1 --quiet --name ", name,
               " --set TRAINING.N_epochs=40 --set TRAINING.checkpoint_steps=5 --set TRAINING.gen_every=2 "
               "--set TRAINING.ema_decay=0.9 ");
  }

  std::filesystem::path run(const std::string& name) const { return folder / "runs/DARCY_PERM/vanilla" / name; }

  /// Both runs ended with the same weights, averages and optimiser's state, and the same rows but for the clock.
  void expect_same(const std::string& a, const std::string& b) const {
    const std::string last = "checkpoints/step_160.safetensors";
    ASSERT_FALSE(content_of(run(a) / last).empty());
    EXPECT_TRUE(content_of(run(a) / last) == content_of(run(b) / last)) << a << " and " << b;
    EXPECT_EQ(rows_of(a), rows_of(b));
  }

  /// metrics.csv without its third column, the seconds.
  std::string rows_of(const std::string& name) const {
    std::istringstream lines(content_of(run(name) / "metrics.csv"));
    std::string rows;
    for (std::string line; std::getline(lines, line);) {
      std::istringstream fields(line);
      std::string field;
      for (int i = 0; std::getline(fields, field, ','); ++i)
        if (i != 2) rows += field + ",";
      rows += "\n";
    }
    return rows;
  }

  /// What the fault has left is gone on with to the numbers of the run that nothing befell.
  void expect_goes_on(const std::string& name) const {
    if (content_of(run(name) / "config.ini").empty()) return;  // it ended before there was a run
    const Outcome resumed =
        kaem(str("train --resume runs/DARCY_PERM/vanilla/", name, " --quiet --threads 1 --device cpu"));
    ASSERT_EQ(resumed.status, 0) << name << resumed.err;
    expect_same("straight", name);
  }

  /// The program in a shell that has set a limit first.
  Outcome limited(const std::string& limit, const std::string& arguments) const {
    const std::string command =
        str("cd ", folder.string(), " && (", limit, "; XDG_CACHE_HOME=", folder.string(), "/cache KAEM_DATA_DIR= exec ",
            program(), " ", arguments, ") >out.txt 2>err.txt </dev/null");
    const int status = std::system(command.c_str());
    return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), content_of(folder / "out.txt"),
            content_of(folder / "err.txt")};
  }
};

TEST_F(Fault, KilledAgainAndAgain) {
  ASSERT_EQ(kaem(train("straight")).status, 0);
  int kills = 0;
  for (int delay = 20; delay < 400 && content_of(run("killed") / "checkpoints/step_160.json").empty(); delay += 17) {
    const bool there = std::filesystem::exists(run("killed") / "config.ini");
    const pid_t process = start(there ? "train --resume runs/DARCY_PERM/vanilla/killed --quiet --threads 1 --device cpu"
                                      : train("killed"));
    std::this_thread::sleep_for(std::chrono::milliseconds(delay));
    if (::kill(process, SIGKILL) == 0) ++kills;
    status_of_started();
  }
  EXPECT_GT(kills, 3) << "hardly anything befell it";
  const Outcome last = kaem("train --resume runs/DARCY_PERM/vanilla/killed --quiet --threads 1 --device cpu");
  ASSERT_EQ(last.status, 0) << last.err;
  expect_same("straight", "killed");
}

TEST_F(Fault, FilesMayNotGrow) {
  ASSERT_EQ(kaem(train("straight")).status, 0);
  int failed = 0;
  for (const int blocks : {1, 8, 40, 100}) {  // of 1,024 bytes
    const std::string name = str("full_", blocks);
    const Outcome full = limited(str("ulimit -f ", blocks), train(name));
    if (full.status == 0) {  // what a run can do without is missing, and nothing else
      EXPECT_HAS(full.err, "warning: TensorBoard gets no more of this run");
      expect_same("straight", name);
      continue;
    }
    ++failed;
    EXPECT_LT(full.status, 128) << full.status;
    EXPECT_HAS(full.err, "kaem: ");
    expect_goes_on(name);
  }
  EXPECT_GE(failed, 2) << "hardly anything befell them";
}

TEST_F(Fault, FilesCannotBeOpened) {
  ASSERT_EQ(kaem(train("straight")).status, 0);
  int failed = 0;
  for (const int descriptors : {4, 5, 6, 7, 8, 10, 13}) {
    const std::string name = str("few_", descriptors);
    const Outcome few = limited(str("ulimit -n ", descriptors), train(name));
    if (few.status == 0) {
      expect_same("straight", name);
      continue;
    }
    ++failed;
    EXPECT_LT(few.status, 128) << descriptors << few.err;
    expect_goes_on(name);
  }
  EXPECT_GE(failed, 1) << "so few descriptors are enough: the test says nothing";
}

TEST_F(Fault, NumbersDoNotDependOnWhatIsWritten) {
  ASSERT_EQ(kaem(train("straight")).status, 0);
  ASSERT_EQ(kaem(train("busy") + "--set TRAINING.gen_every=1 --set TRAINING.checkpoint_steps=1 --set "
                                 "TRAINING.keep_checkpoints=2 --set TRAINING.eval_every=3 --log json --profile")
                .status,
            0);
  ASSERT_EQ(kaem(train("quiet") + "--set TRAINING.gen_every=-1 --set TRAINING.checkpoint_steps=0 --set "
                                  "TRAINING.tensorboard=false --set TRAINING.log_steps=50")
                .status,
            0);
  // What is compared is what all of them draw from the weights.
  const auto drawn = [&](const std::string& name) {
    EXPECT_EQ(kaem("sample runs/DARCY_PERM/vanilla/" + name + " -n 8 --out " + name + ".npy --device cpu").status, 0);
    return content_of(folder / (name + ".npy"));
  };
  const std::string expected = drawn("straight");
  ASSERT_FALSE(expected.empty());
  EXPECT_TRUE(drawn("busy") == expected);
  EXPECT_TRUE(drawn("quiet") == expected);
}

}  // namespace
}  // namespace kaem
