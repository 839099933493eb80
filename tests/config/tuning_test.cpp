#include "kaem/config/tuning.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <set>

#include "config/support.h"

namespace kaem {
namespace {

TEST(Range, ReadsItsFourKinds) {
  for (const char* text :
       {"uniform -1.5 2", "log 1e-04 0.01", "int 5 30", "choice RBF FFT Cheby", "choice 40,81 20,41"})
    EXPECT_EQ(to_text(parse_range(text)), text);
  EXPECT_EQ(to_text(parse_range("  LOG\t1e-4  +1e-2 ")), "log 1e-04 0.01");
  EXPECT_EQ(parse_range("int 5 30").at(0), "5");
  EXPECT_EQ(parse_range("int 5 30").at(0x1.fffffffffffffp-1), "30");
  EXPECT_EQ(parse_range("log 1e-4 1").at(0.5), "0.01");
  EXPECT_EQ(parse_range("uniform 1 3").at(0.25), "1.5");
  EXPECT_EQ(parse_range("choice a b c").at(0.5), "b");
  EXPECT_EQ(parse_range("choice a b c").at(0.99), "c");
  EXPECT_EQ(parse_range("log 1e-4 1e-2").grid(3), (std::vector<std::string>{"1e-04", "0.001", "0.01"}));
  EXPECT_EQ(parse_range("int 1 3").grid(9), (std::vector<std::string>{"1", "2", "3"}));
  EXPECT_EQ(parse_range("uniform 0 1").grid(1), (std::vector<std::string>{"0.5"}));
}

TEST(Range, SaysWhatIsWrong) {
  const auto refused_range = [](const char* text) { return refusal([&] { parse_range(text); }); };
  EXPECT_EQ(refused_range(""), "expected a range: uniform A B, log A B, int A B, or choice A B ...");
  EXPECT_EQ(refused_range("unifrom 1 2"),
            "range 'unifrom' is not known; one of: uniform log int choice; did you mean 'uniform'?");
  EXPECT_EQ(refused_range("log 1"), "log needs two numbers");
  EXPECT_EQ(refused_range("log 0 1"), "log needs numbers above 0");
  EXPECT_EQ(refused_range("uniform 2 1"), "expected two ascending numbers");
  EXPECT_EQ(refused_range("uniform 1 1"), "expected two ascending numbers");
  EXPECT_EQ(refused_range("uniform 1 x"), "'x' is not a number");
  EXPECT_EQ(refused_range("uniform 1 nan"), "'nan' is not a number");
  EXPECT_EQ(refused_range("int 1 2.5"), "int needs whole numbers");
  EXPECT_EQ(refused_range("choice"), "choice needs at least one value");
  EXPECT_EQ(refused_range("choice \"a b\""), "choice takes values without quotes");
  EXPECT_EQ(refused_range("choice a a"), "'a' is there twice");
}

/// The search of a file with this text.
class TuningFile : public ::testing::Test {
 protected:
  void SetUp() override { path_ = testing::TempDir() + "kaem_tuning_" + std::to_string(::getpid()) + ".ini"; }
  void TearDown() override { std::remove(path_.c_str()); }
  Search search(const std::string& text, const std::vector<Override>& overrides = {}) const {
    std::ofstream(path_, std::ios::binary) << text;
    return load_search(path_, overrides, load_config(path_, overrides, "", ""));
  }
  std::string refused_search(const std::string& text) const {
    const std::string message = refusal([&] { search(text); });
    return message.starts_with(path_) ? "f.ini" + message.substr(path_.size()) : message;
  }
  std::string path_;
};

TEST_F(TuningFile, HoldsOptionsAndRanges) {
  const Search s = search(
      "[tuning]\nnum_trials = 7\nsampler = Grid\nmetric = loss\nOPTIMIZER.learning_rate = log 1e-4 1e-2\n"
      "GeneratorModel.grid_size = int 5 30\nebmmodel.pi_0 = choice ebm gaussian ; why\n");
  EXPECT_EQ(s.options.trials, 7);
  EXPECT_EQ(s.options.sampler, "grid");
  EXPECT_FALSE(s.higher_is_better());
  ASSERT_EQ(s.keys.size(), 3u);
  EXPECT_EQ(to_text(s.keys[2].range), "choice ebm gaussian");
  EXPECT_TRUE(s.notes.empty());
  const Search again = search(to_ini(s));
  EXPECT_EQ(to_ini(again), to_ini(s));

  const auto tuning = [](const char* text) { return parse_override(std::string("TUNING.") + text); };
  const Search changed = search(
      "[TUNING]\nnum_trials = 7\nOPTIMIZER.learning_rate = log 1e-4 1e-2\n",
      {tuning("num_trials=9"), tuning("OPTIMIZER.learning_rate=log 1e-5 1e-3"), tuning("TRAINING.eps=uniform 0 1")});
  EXPECT_EQ(changed.options.trials, 9);
  ASSERT_EQ(changed.keys.size(), 2u);
  EXPECT_EQ(to_text(changed.keys[0].range), "log 1e-05 0.001");
}

TEST_F(TuningFile, TheReferencesFilesNeedNoRanges) {
  const Search nan = search(
      "[TUNING]\r\nnum_trials = 50\r\nsampler = bcap\r\npruner = median\r\n[OPTIMIZER]\r\nlearning_rate = NaN\r\n"
      "[EbmModel]\r\nπ_0 = NaN\r\n");
  ASSERT_EQ(nan.keys.size(), 2u);
  EXPECT_EQ(nan.keys[0].key, "learning_rate");
  EXPECT_EQ(to_text(nan.keys[1].range), "choice ebm gaussian");
  EXPECT_EQ(nan.options.sampler, "random");
  EXPECT_EQ(nan.options.metric, "loglik");
  ASSERT_EQ(nan.notes.size(), 2u);
  EXPECT_NE(nan.notes[0].find("sampler = bcap is taken as random"), std::string::npos);
  const Search all = search("[TUNING]\nnum_trials = 5\n");
  EXPECT_EQ(all.keys.size(), 8u);
  EXPECT_EQ(all.notes.size(), 1u);
}

TEST_F(TuningFile, SearchesTheActivationThatTheGeneratorHas) {
  const auto searched = [](const Search& s, const std::string& section) {
    return std::any_of(s.keys.begin(), s.keys.end(),
                       [&](const auto& k) { return k.section == section && k.key.ends_with("activation"); });
  };
  for (const char* nan : {"", "[GeneratorModel]\nbase_activation = NaN\n"}) {
    const Search kan = search(std::string("[TUNING]\nnum_trials = 5\n") + nan);
    EXPECT_TRUE(searched(kan, "GeneratorModel") && !searched(kan, "CNN"));
    const Search cnn = search(std::string("[TUNING]\nnum_trials = 5\n[CNN]\nuse_cnn_lkhood = true\n") + nan);
    EXPECT_TRUE(searched(cnn, "CNN") && !searched(cnn, "GeneratorModel"));
  }
  const Search off = search("[TUNING]\nnum_trials = 5\n[OPTIMIZER]\ndecay = NaN\nlearning_rate = NaN\n");
  EXPECT_EQ(off.keys.size(), 1u);
  ASSERT_EQ(off.notes.size(), 1u);
  EXPECT_NE(off.notes[0].find("decay = NaN is taken as 0"), std::string::npos);
}

TEST_F(TuningFile, EveryRangeIsCheckedAgainstItsKey) {
  EXPECT_EQ(refused_search("[TUNING]\nOPTIMIZER.learning_rte = log 1e-4 1e-2\n"),
            "f.ini:2: [TUNING] OPTIMIZER.learning_rte = log 1e-4 1e-2: [OPTIMIZER] unknown key "
            "'learning_rte'; did you mean 'learning_rate'?");
  EXPECT_EQ(refused_search("[TUNING]\nGeneratorModel.grid_size = int 0 30\n"),
            "f.ini:2: [TUNING] GeneratorModel.grid_size = int 0 30: expected an integer in 1..4096");
  EXPECT_EQ(refused_search("[TUNING]\nGeneratorModel.grid_size = uniform 1 30\n"),
            "f.ini:2: [TUNING] GeneratorModel.grid_size = uniform 1 30: expected an integer in 1..4096");
  EXPECT_NE(refused_search("[TUNING]\nEbmModel.spline_function = choice RBF Chebi\n").find("did you mean 'Cheby'?"),
            std::string::npos);
  EXPECT_EQ(refused_search("[TUNING]\nOPTIMIZER.learning_rate = log 1e-4\n"),
            "f.ini:2: [TUNING] OPTIMIZER.learning_rate = log 1e-4: log needs two numbers");
  EXPECT_NE(refused_search("[TUNING]\nnum_trails = 4\n").find("did you mean 'num_trials'?"), std::string::npos);
  EXPECT_EQ(refused_search("[TUNING]\nnum_trials = 0\n"),
            "f.ini:2: [TUNING] num_trials = 0: expected an integer in 1..100000");
  EXPECT_NE(refused_search("[TUNING]\nTRAINING.max_steps = int 1 3\n").find("cannot be searched"), std::string::npos);
  EXPECT_NE(refused_search("[TUNING]\nEbmModel.π_0 = choice ebm\nEbmModel.pi_0 = choice ebm\n").find("given twice"),
            std::string::npos);
  EXPECT_EQ(refused_search("[TUNING]\nnum_trials = 2\n[TRAINING]\nbatch_size = NaN\n"),
            "f.ini:4: TRAINING.batch_size = NaN: expected its range in [TUNING], such as log 1e-4 1e-2");
  EXPECT_NE(refused_search("[TUNING]\nmetric = loglik\n[EbmModel]\nlayer_widths = 81,20,1\n[POST_LANGEVIN]\n"
                           "sampler = ula\n")
                .find("has no normaliser"),
            std::string::npos);
}

TEST_F(TuningFile, TrialsDependOnTheSeedAndTheirNumberAlone) {
  Search s =
      search("[TUNING]\nnum_trials = 40\nOPTIMIZER.learning_rate = log 1e-4 1e-2\nEbmModel.grid_size = int 2 9\n");
  std::set<std::string> seen;
  double sum = 0;
  for (int64_t i = 0; i < 40; ++i) {
    const auto values = trial_values(s, 3, i);
    ASSERT_EQ(values.size(), 2u);
    EXPECT_EQ(values[0].value, trial_values(s, 3, i)[0].value);
    seen.insert(values[0].value);
    sum += std::log10(std::stod(values[0].value)) / 40;
  }
  EXPECT_EQ(seen.size(), 40u);
  EXPECT_NEAR(sum, -3, 0.4) << "4 standard errors of 2/sqrt(12)/sqrt(40)";
  EXPECT_NE(trial_values(s, 4, 0)[0].value, trial_values(s, 3, 0)[0].value);
}

TEST_F(TuningFile, GridsAreWalkedThroughOrDrawnFromWithoutRepeats) {
  Search s = search(
      "[TUNING]\nnum_trials = 50\nsampler = grid\ngrid_points = 3\nOPTIMIZER.learning_rate = log 1e-4 1e-2\n"
      "EbmModel.π_0 = choice ebm gaussian\n");
  ASSERT_EQ(trial_count(s), 6);
  const auto text = [&](int64_t i) { return trial_values(s, 1, i)[0].value + " " + trial_values(s, 1, i)[1].value; };
  EXPECT_EQ(text(0), "1e-04 ebm");
  EXPECT_EQ(text(1), "1e-04 gaussian");
  EXPECT_EQ(text(5), "0.01 gaussian");
  s.options.trials = 4;
  ASSERT_EQ(trial_count(s), 4);
  std::set<std::string> seen;
  for (int64_t i = 0; i < 4; ++i) seen.insert(text(i));
  EXPECT_EQ(seen.size(), 4u);
}

TEST_F(TuningFile, HalvingSpendsMoreOnFewer) {
  Search s = search("[TUNING]\nnum_trials = 27\nsampler = halving\nOPTIMIZER.learning_rate = log 1e-4 1e-2\n");
  const auto check = [&](int64_t steps, const std::vector<std::pair<int64_t, int64_t>>& want) {
    const auto rounds = rounds_of(s, steps);
    ASSERT_EQ(rounds.size(), want.size());
    for (size_t i = 0; i < want.size(); ++i) {
      EXPECT_EQ(rounds[i].trials, want[i].first);
      EXPECT_EQ(rounds[i].steps, want[i].second);
    }
  };
  check(2700, {{27, 100}, {9, 300}, {3, 900}, {1, 2700}});
  s.options.min_steps = 300;
  check(2700, {{27, 300}, {9, 900}, {3, 2700}});
  s.options.min_steps = 0, s.options.trials = 4, s.options.eta = 2;
  check(10, {{4, 2}, {2, 5}, {1, 10}});
  check(1, {{4, 1}});
  s.options.sampler = "random";
  check(10, {{4, 10}});
}

}  // namespace
}  // namespace kaem
