// Sequences of jobs: each is a process of its own, and what is interrupted goes on.
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>

#include <nlohmann/json.hpp>

#include "apps/background.h"
#include "apps/tiny_file.h"

namespace kaem {
namespace {

constexpr const char* kOptions = " --device cpu --threads 1 ";

class Jobs : public Background {
 protected:
  void SetUp() override {
    Background::SetUp();
    write("tiny.ini", kTinyFile);
  }

  /// The file's state, or null while there is none.
  nlohmann::json state(const std::string& out = "runs") const {
    return nlohmann::json::parse(content_of(folder / out / "jobs/j/state.json"), nullptr, false);
  }

  /// The process of job `i` (0-based) once it trains.
  pid_t process_of(size_t i, const std::string& out = "runs") const {
    EXPECT_TRUE(comes([&] {
      const auto json = state(out);
      if (!json.is_object() || json["jobs"][i]["status"] != "running" || json["jobs"][i]["process"] == 0) return false;
      const std::string metrics = content_of(folder / json["jobs"][i]["folder"].get<std::string>() / "metrics.csv");
      return std::count(metrics.begin(), metrics.end(), '\n') > 3;
    }));
    return state(out)["jobs"][i]["process"].get<pid_t>();
  }
};

/// The table that stands at the end of standard output.
std::string table_of(const std::string& out) { return out.substr(out.find("job  data set")); }

TEST_F(Jobs, RunOneAfterAnotherAndAFailureEndsOnlyItself) {
  write("bad.npy", "no array");
  write("j.txt",
        "DARCY_PERM vanilla config=tiny.ini name=first   # the usual\n"
        "DARCY_PERM vanilla config=tiny.ini DATA.darcy_file=bad.npy\n\n"
        "darcy_perm THERMO config=tiny.ini THERMODYNAMIC_INTEGRATION.N_langevin_per_temp=3 max-steps=5\n"
        "DARCY_PERM variational config=tiny.ini seed=4 TRAINING.batch_size=8\n");
  const Outcome outcome = kaem(std::string("jobs j.txt --set TRAINING.batch_size=2 --max-steps 7") + kOptions);
  EXPECT_EQ(outcome.status, 1) << outcome.err;
  const auto jobs = state()["jobs"];
  EXPECT_EQ(jobs[0]["folder"], "runs/DARCY_PERM/vanilla/first");
  EXPECT_EQ(jobs[0]["updates"], 7) << "of two limits the smaller holds";
  EXPECT_EQ(jobs[1]["status"], "failed");
  EXPECT_EQ(jobs[1]["exit_status"], 3);
  EXPECT_EQ(jobs[2]["updates"], 5);
  EXPECT_EQ(jobs[3]["status"], "done");
  const std::string last = content_of(folder / jobs[3]["folder"].get<std::string>() / "config.ini");
  EXPECT_HAS(last, "\nbatch_size = 8\n") << "a line's own values go before the command line's";
  EXPECT_HAS(last, "\nseed = 4\n");
  EXPECT_HAS(table_of(outcome.out), "failed: exit status 3");
  EXPECT_HAS(outcome.err, "1 of 4 jobs did not end well");

  // What is done is not run again, what failed is.
  const auto written = std::filesystem::last_write_time(folder / "runs/DARCY_PERM/vanilla/first/metrics.csv");
  write("bad.npy", "still no array");
  EXPECT_EQ(kaem(std::string("jobs j.txt --resume --max-steps 7") + kOptions).status, 1);
  EXPECT_EQ(std::filesystem::last_write_time(folder / "runs/DARCY_PERM/vanilla/first/metrics.csv"), written);
  EXPECT_EQ(state()["jobs"][1]["exit_status"], 3);
}

TEST_F(Jobs, ACrashBySignalEndsOnlyItself) {
  write("j.txt", "DARCY_PERM vanilla config=tiny.ini TRAINING.N_epochs=100000\nDARCY_PERM vanilla config=tiny.ini\n");
  start(std::string("jobs j.txt") + kOptions);
  ASSERT_EQ(::kill(process_of(0), SIGSEGV), 0);
  EXPECT_EQ(status_of_started(), 1);
  const auto jobs = state()["jobs"];
  EXPECT_EQ(jobs[0]["status"], "failed");
  EXPECT_EQ(jobs[0]["signal"], SIGSEGV);
  EXPECT_EQ(jobs[1]["status"], "done");
  EXPECT_HAS(content_of(folder / "out.txt"), "failed: signal 11");
}

TEST_F(Jobs, KilledInTheSecondJobAndResumedEndsAsAnUninterruptedSequence) {
  write("j.txt",
        "DARCY_PERM vanilla config=tiny.ini\n"
        "DARCY_PERM vanilla config=tiny.ini TRAINING.N_epochs=150 TRAINING.checkpoint_steps=7 TRAINING.ema_decay=0.9\n"
        "DARCY_PERM variational config=tiny.ini\n");
  const Outcome straight = kaem(std::string("jobs j.txt --out straight") + kOptions);
  ASSERT_EQ(straight.status, 0) << straight.err;

  const pid_t parent = start(std::string("jobs j.txt --out killed") + kOptions);
  const pid_t child = process_of(1, "killed");
  ASSERT_EQ(::kill(parent, SIGKILL), 0);
  ::kill(child, SIGKILL);
  ASSERT_EQ(status_of_started(), 128 + SIGKILL);
  ASSERT_EQ(state("killed")["jobs"][1]["status"], "running") << "the job was over before it could be killed";
  ASSERT_EQ(state("killed")["jobs"][2]["status"], "pending");

  write("killed/jobs/j/state.json.tmp.1.0.7", "of a program that was killed");
  const Outcome resumed = kaem(std::string("jobs j.txt --resume --out killed") + kOptions);
  EXPECT_FALSE(std::filesystem::exists(folder / "killed/jobs/j/state.json.tmp.1.0.7"));
  ASSERT_EQ(resumed.status, 0) << resumed.err;
  std::string table = table_of(resumed.out);
  for (size_t at; (at = table.find("killed/")) != std::string::npos;) table.replace(at, 7, "straight/");
  EXPECT_EQ(table, table_of(straight.out));
  for (const std::string run : {"vanilla/j_01/checkpoints/step_12", "vanilla/j_02/checkpoints/step_600",
                                "variational/j_03/checkpoints/step_12"}) {
    const std::string file = "DARCY_PERM/" + run + ".safetensors";
    ASSERT_TRUE(std::filesystem::exists(folder / "straight" / file)) << file;
    EXPECT_EQ(content_of(folder / "straight" / file), content_of(folder / "killed" / file)) << file;
  }
}

TEST_F(Jobs, AnInterruptIsPassedOnAndTheSequenceGoesOn) {
  write("j.txt",
        "DARCY_PERM vanilla config=tiny.ini TRAINING.N_epochs=150\nDARCY_PERM vanilla config=tiny.ini max-steps=3\n");
  ::signal(SIGHUP, SIG_DFL);  // who started the tests may have had it ignored, which children take over
  for (const int signal : {SIGTERM, SIGUSR1, SIGHUP}) {
    std::filesystem::remove_all(folder / "runs");
    const pid_t parent = start(std::string("jobs j.txt") + kOptions);
    process_of(0);
    ASSERT_EQ(::kill(parent, signal), 0);
    EXPECT_EQ(status_of_started(), 128 + signal);
    EXPECT_EQ(state()["jobs"][0]["status"], "interrupted") << signal;
  }
  EXPECT_EQ(state()["jobs"][1]["status"], "pending");
  EXPECT_HAS(content_of(folder / "out.txt"), "pending");
  EXPECT_HAS(content_of(folder / "err.txt"), "go on with: kaem jobs j.txt --resume");

  // Lines may be added and moved: what is unchanged keeps its run.
  write("j.txt",
        "DARCY_PERM vanilla config=tiny.ini max-steps=4\nDARCY_PERM vanilla config=tiny.ini max-steps=3\n"
        "DARCY_PERM   vanilla  config=tiny.ini TRAINING.N_epochs=150  # moved\n");
  const Outcome resumed = kaem(std::string("jobs j.txt --resume") + kOptions);
  ASSERT_EQ(resumed.status, 0) << resumed.err;
  EXPECT_HAS(resumed.err, "going on after update");
  const auto jobs = state()["jobs"];
  EXPECT_EQ(jobs[0]["updates"], 4);
  EXPECT_EQ(jobs[1]["updates"], 3);
  EXPECT_EQ(jobs[2]["updates"], 600);
  EXPECT_EQ(jobs[2]["folder"], "runs/DARCY_PERM/vanilla/j_01");
}

TEST_F(Jobs, SeveralWorkersMakeWhatOneMakes) {
  std::string jobs;
  for (int seed = 1; seed <= 5; ++seed)
    jobs += "DARCY_PERM vanilla config=tiny.ini seed=" + std::to_string(seed) + "\n";
  write("j.txt", jobs + "DARCY_PERM vanilla config=tiny.ini DATA.darcy_file=bad.npy\n");
  write("bad.npy", "no array");
  const Outcome one = kaem(std::string("jobs j.txt --out one") + kOptions);
  const Outcome three = kaem(std::string("jobs j.txt --workers 3 --out three") + kOptions);
  EXPECT_EQ(one.status, 1);
  ASSERT_EQ(three.status, 1) << three.err;
  std::string table = table_of(three.out);
  for (size_t at; (at = table.find("three/")) != std::string::npos;) table.replace(at, 6, "one/  ");
  std::string expected = table_of(one.out);
  for (size_t at; (at = expected.find("one/D")) != std::string::npos;) expected.replace(at, 5, "one/  D");
  EXPECT_EQ(table, expected);
  EXPECT_HAS(refused("jobs j.txt --workers 0"), "--workers 0: expected");
  EXPECT_HAS(refused("jobs j.txt --devices 0,x"), "--devices x: expected");
  EXPECT_HAS(refused("jobs j.txt --devices 0 --workers 2"), "expected one of them");
}

/// What is said can be typed.
TEST_F(Jobs, TheCommandThatGoesOnHasWhatTheFirstHad) {
  write("my jobs.txt", "DARCY_PERM vanilla config=tiny.ini DATA.darcy_file=bad.npy\n");
  write("bad.npy", "no array");
  const Outcome failed = kaem(std::string("jobs 'my jobs.txt' --out 'my runs' --workers 2") + kOptions);
  EXPECT_EQ(failed.status, 1);
  EXPECT_HAS(failed.err, "kaem jobs 'my jobs.txt' --resume --out 'my runs' --workers 2");
}

TEST_F(Jobs, ASignalReachesAllWorkers) {
  const std::string line = "DARCY_PERM vanilla config=tiny.ini TRAINING.N_epochs=100000\n";
  write("j.txt", line + line + line);
  const pid_t parent = start(std::string("jobs j.txt --workers 2") + kOptions);
  process_of(0), process_of(1);
  ASSERT_EQ(::kill(parent, SIGTERM), 0);
  EXPECT_EQ(status_of_started(), 128 + SIGTERM);
  EXPECT_EQ(state()["jobs"][0]["status"], "interrupted");
  EXPECT_EQ(state()["jobs"][1]["status"], "interrupted");
  EXPECT_EQ(state()["jobs"][2]["status"], "pending");
}

TEST_F(Jobs, TheWholeFileIsCheckedBeforeAnythingRuns) {
  write("j.txt",
        "MNSIT vanilla\nDARCY_PERM vanila\nDARCY_PERM vanilla TRAINING.bach_size=3\n"
        "DARCY_PERM vanilla config=tiny.ini name=a\nDARCY_PERM vanilla config=tiny.ini name=a seed=2\n"
        "DARCY_PERM vanilla config=none.ini\nDARCY_PERM baseline-vea\nDARCY_PERM vanilla seed=x\n"
        "DARCY_PERM thermo EbmModel.layer_widths=7\nDARCY_PERM vanilla name=a/b\n");
  const Outcome outcome = kaem("jobs j.txt");
  EXPECT_EQ(outcome.status, 2);
  for (const char* part :
       {"j.txt:1: data set 'MNSIT' is not known", "did you mean 'MNIST'?", "j.txt:2: mode 'vanila' is not known",
        "j.txt:3: TRAINING.bach_size=3: [TRAINING] unknown key 'bach_size'; did you mean 'batch_size'?",
        "j.txt:5: name=a: line 4 makes the same run runs/DARCY_PERM/vanilla/a",
        "j.txt:6: none.ini: the configuration file cannot be read", "j.txt:7: mode 'baseline-vea' is not known",
        "j.txt:8: seed=x: expected an integer", "j.txt:9: EbmModel.layer_widths=7: expected two widths",
        "j.txt:10: name=a/b: expected a plain folder name", "kaem: j.txt: 9 faulty lines; nothing was started"})
    EXPECT_HAS(outcome.err, part);
  EXPECT_FALSE(std::filesystem::exists(folder / "runs"));

  EXPECT_HAS(refused("jobs"), "expected a file of jobs");
  EXPECT_HAS(refused("jobs none.txt"), "none.txt");
  write("empty.txt", "# nothing\n");
  EXPECT_HAS(refused("jobs empty.txt"), "holds no job");
  write("j.txt", "DARCY_PERM vanilla config=tiny.ini\n");
  const Outcome plan = kaem("jobs j.txt --dry-run");
  EXPECT_EQ(plan.status, 0);
  EXPECT_HAS(plan.out, "tiny.ini, 12 updates; new run runs/DARCY_PERM/vanilla/j_01");
  EXPECT_FALSE(std::filesystem::exists(folder / "runs"));
}

TEST_F(Jobs, FilesOfTheSameNameDoNotTakeEachOthersPlace) {
  std::filesystem::create_directories(folder / "other");
  write("j.txt", "DARCY_PERM vanilla config=tiny.ini max-steps=1 name=a\n");
  write("other/j.txt", "DARCY_PERM vanilla config=tiny.ini max-steps=1 name=b\n");
  ASSERT_EQ(kaem(std::string("jobs j.txt") + kOptions).status, 0);
  const Outcome resumed = kaem(std::string("jobs other/j.txt --resume") + kOptions);
  EXPECT_EQ(resumed.status, 2);
  EXPECT_HAS(resumed.error_line(), "is of another file");
  EXPECT_EQ(kaem(std::string("jobs other/j.txt") + kOptions).status, 0);
  EXPECT_EQ(state()["jobs"][0]["name"], "b");
}

TEST_F(Jobs, TheShortestLimitHoldsAndZeroIsNone) {
  write("j.txt",
        "DARCY_PERM vanilla config=tiny.ini TRAINING.max_steps=300000\n"
        "DARCY_PERM vanilla config=tiny.ini max-steps=0\nDARCY_PERM vanilla config=tiny.ini max-steps=2\n");
  const std::string plan = kaem(std::string("jobs j.txt --max-steps 5 --dry-run") + kOptions).out;
  size_t fives = 0;
  for (size_t at = 0; (at = plan.find("tiny.ini, 5 updates", at)) != std::string::npos; ++at) ++fives;
  EXPECT_EQ(fives, 2u) << plan;
  EXPECT_HAS(plan, "tiny.ini, 2 updates");
}

TEST_F(Jobs, ARootOfTheDataReachesTheJobs) {
  std::filesystem::create_directories(folder / "elsewhere/sms_spam");
  std::string messages;
  for (int n = 0; n < 20; ++n) messages += "ham\tyes no home\n";
  write("elsewhere/sms_spam/SMSSpamCollection", messages);
  write("j.txt",
        "SMS_SPAM vanilla TRAINING.N_train=8 TRAINING.N_test=2 TRAINING.batch_size=4 max-steps=1 "
        "EbmModel.layer_widths=2,3 SEQ.d_model=4\n");
  const Outcome outcome = kaem(std::string("jobs j.txt --offline --set DATA.root=elsewhere") + kOptions);
  EXPECT_EQ(outcome.status, 0) << outcome.err;
}

TEST_F(Jobs, AnInterruptWhileItWaitsStartsNothing) {
  write("j.txt", "DARCY_PERM vanilla config=tiny.ini name=a max-steps=2\n");
  ASSERT_EQ(kaem(std::string("jobs j.txt") + kOptions).status, 0);
  write("j.txt", "DARCY_PERM vanilla config=tiny.ini name=a\n");
  const std::string path = "runs/jobs/j/state.json";
  std::string text = content_of(folder / path);
  for (const auto& [from, to] : {std::pair{std::string(" max-steps=2"), std::string()}, {"\"done\"", "\"failed\""}})
    text.replace(text.find(from), from.size(), to);
  write(path, text);
  const int held = ::open((folder / "runs/DARCY_PERM/vanilla/a").c_str(), O_RDONLY | O_DIRECTORY);
  ASSERT_EQ(::flock(held, LOCK_EX), 0);
  const pid_t parent = start(std::string("jobs j.txt --resume") + kOptions);
  EXPECT_TRUE(
      comes([&] { return content_of(folder / "err.txt").find("waiting for the program") != std::string::npos; }));
  ASSERT_EQ(::kill(parent, SIGINT), 0);
  ::close(held);
  EXPECT_EQ(status_of_started(), 130);
  EXPECT_EQ(state()["jobs"][0]["status"], "interrupted");
  EXPECT_EQ(state()["jobs"][0]["updates"], 2);
}

TEST_F(Jobs, MissingDataAreSaidBeforeAnythingRuns) {
  write("j.txt", "DARCY_PERM vanilla config=tiny.ini\nMNIST vanilla data-dir=absent\n");
  const Outcome outcome = kaem("jobs j.txt --offline");
  EXPECT_EQ(outcome.status, 3);
  EXPECT_HAS(outcome.err, "j.txt:2: no training data of MNIST below absent, and --offline forbids downloads");
  EXPECT_FALSE(std::filesystem::exists(folder / "runs"));
}

}  // namespace
}  // namespace kaem
