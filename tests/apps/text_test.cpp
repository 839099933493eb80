#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <vector>

#include "apps/support.h"

namespace kaem {
namespace {

constexpr const char* kText = R"([EbmModel]
layer_widths = 2,3
grid_size = 4
GaussQuad_nodes = 16
[GeneratorModel]
generator_noise = 0
[SEQ]
sequence_length = 5
vocab_size = 8
d_model = 4
[POST_LANGEVIN]
iters = 2
[THERMODYNAMIC_INTEGRATION]
num_temps = 3
N_langevin_per_temp = 2
[TRAINING]
batch_size = 4
N_train = 16
N_test = 4
N_epochs = 2
log_steps = 1
samples_per_picture = 6
)";

/// 20 messages of six words.
std::string messages() {
  const std::vector<std::string> words = {"yes", "no", "come", "home", "now", "!"};
  std::string text;
  for (size_t n = 0; n < 20; ++n) {
    text += n % 5 == 0 ? "spam\t" : "ham\t";
    for (size_t l = 0; l <= n % 4; ++l) text += words[(n * n + l) % words.size()] + " ";
    text += "\n";
  }
  return text;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

class Text : public Program {
 protected:
  void SetUp() override {
    Program::SetUp();
    write("text.ini", kText);
    std::filesystem::create_directories(folder / "data/sms_spam");
    write("data/sms_spam/SMSSpamCollection", messages());
  }
  /// Trains and returns the run's folder below `folder`.
  std::string train(const std::string& mode, const std::string& more) const {
    const Outcome trained = kaem("train --dataset SMS_SPAM --config text.ini --device cpu --threads 1 --name " + mode +
                                 " --mode " + mode + " " + more);
    EXPECT_EQ(trained.status, 0) << trained.err;
    return "runs/SMS_SPAM/" + mode + "/" + mode;
  }
  /// Each of `count` lines holds words of the run's vocabulary only.
  void expect_words(const std::string& run, const std::string& text, size_t count) const {
    const auto known = lines_of(content_of(folder / run / "vocabulary.txt"));
    const std::set<std::string> vocabulary(known.begin(), known.end());
    const auto lines = lines_of(text);
    EXPECT_EQ(lines.size(), count);
    size_t words = 0;
    for (const auto& line : lines) {
      std::istringstream in(line);
      for (std::string word; in >> word; ++words) {
        EXPECT_TRUE(vocabulary.contains(word)) << word;
        EXPECT_NE(word, "<eos>");
      }
    }
    EXPECT_GT(words, 0u);
  }
};

TEST_F(Text, FromTrainingToSamples) {
  const std::string run = train("vanilla", "--set POST_LANGEVIN.sampler=importance");
  EXPECT_EQ(lines_of(content_of(folder / run / "vocabulary.txt")).size(), 8u);
  expect_words(run, content_of(folder / run / "samples/step_8.txt"), 6);
  EXPECT_HAS(lines_of(content_of(folder / run / "metrics.csv")).front(), ",token_loss,");
  EXPECT_HAS(content_of(folder / run / "log.txt"), "unigram entropy");

  std::filesystem::remove_all(folder / "data");  // samples need no data
  const Outcome shown = kaem("sample last -n 300 --device cpu");
  ASSERT_EQ(shown.status, 0) << shown.err;
  expect_words(run, shown.out, 300);
  EXPECT_EQ(shown.out.substr(0, 200), kaem("sample last -n 299 --device cpu").out.substr(0, 200));
  const auto first = lines_of(content_of(folder / run / "samples/step_8.txt")), again = lines_of(shown.out);
  EXPECT_TRUE(std::equal(first.begin(), first.end(), again.begin())) << "the run's own samples come first";
  ASSERT_EQ(kaem("sample last -n 3 --out s.txt --latents z.npy --interpolate 0,1 --device cpu").status, 0);
  expect_words(run, content_of(folder / "s.txt"), 3);
  EXPECT_HAS(content_of(folder / "z.npy"), "(3, 3, 2)");
  ASSERT_EQ(kaem("sample last -n 3 --out s.npy --device cpu").status, 0);
  EXPECT_HAS(content_of(folder / "s.npy"), "(3, 5)");
  EXPECT_HAS(refused("sample last --out s.png --device cpu"), ".txt or .npy");
  EXPECT_HAS(refused("traverse last --device cpu"), "a run on text makes no pictures to compare");
  EXPECT_HAS(kaem("export last --to torchscript --out m.pt --device cpu").out, "methods generate, sample_words");
  const Outcome inspected = kaem("inspect last");
  EXPECT_HAS(inspected.out, "8 words: <unk> <eos> ");
}

TEST_F(Text, EveryModeAndBothGenerators) {
  for (const char* autoregressive : {"false", "true"})
    for (const std::string mode : {"vanilla", "thermo", "variational"}) {
      if (mode == "thermo" && autoregressive == std::string("true")) continue;  // refused
      const std::string run = train(mode, std::string("--set POST_LANGEVIN.sampler=ula --out runs_") + autoregressive +
                                              " --set SEQ.autoregressive=" + autoregressive);
      const std::string path = std::string("runs_") + autoregressive + run.substr(4);
      expect_words(path, content_of(folder / path / "samples/step_8.txt"), 6);
      const Outcome scored = kaem("evaluate " + path +
                                  " -n 3 --samples 2000 --levels 30 --chains 4 --methods is,ais --json s.json "
                                  "--device cpu --threads 1");
      ASSERT_EQ(scored.status, 0) << scored.err;
      EXPECT_HAS(scored.out, "unigram frequencies");
      const auto json = nlohmann::json::parse(content_of(folder / "s.json"));
      const auto& methods = json["log_likelihood"];
      const double is = methods["importance sampling"]["per_token"], ais = methods["annealed importance"]["per_token"];
      EXPECT_NEAR(is, ais, 0.1) << mode << autoregressive;
      EXPECT_GT(json["tokens"], 3);
      EXPECT_GT(json["unigram_per_token"], 1);
    }
}

TEST_F(Text, ThePlanAndWhatIsRefused) {
  const Outcome plan = kaem("train --dataset SMS_SPAM --config text.ini --dry-run --resize 8x8");
  EXPECT_EQ(plan.status, 0) << plan.err;
  EXPECT_HAS(plan.out, "sequences of 5 words, vocabulary of 8");
  EXPECT_HAS(plan.out, "resize is ignored");
  EXPECT_HAS(refused("train --dataset SMS_SPAM --config text.ini --set SEQ.sequence_length=-1"), "expected 1 or more");
  const std::string run = train("vanilla", "--max-steps 4");
  EXPECT_HAS(refused("evaluate last --reconstructions r.png --device cpu"), "text");
  EXPECT_HAS(refused("train --dataset SMS_SPAM --config text.ini --mode thermo --set SEQ.autoregressive=true"),
             "mode thermo");
  std::string other = messages();
  for (size_t at = 0; (at = other.find("yes", at)) != std::string::npos;) other.replace(at, 3, "yep");
  write("data/sms_spam/SMSSpamCollection", other);
  EXPECT_HAS(kaem("train --resume last").error_line(), "vocabulary");
  EXPECT_HAS(kaem("evaluate last --device cpu").error_line(), "vocabulary");
}

TEST_F(Text, ResumesToTheSameNumbers) {
  const std::string whole = train("vanilla", "--set POST_LANGEVIN.sampler=importance");
  const std::string samples = content_of(folder / whole / "samples/step_8.txt");
  std::filesystem::rename(folder / whole, folder / "whole");
  const std::string run = train("vanilla", "--set POST_LANGEVIN.sampler=importance --max-steps 5");
  ASSERT_EQ(kaem("train --resume last --threads 1").status, 0);
  EXPECT_EQ(content_of(folder / run / "samples/step_8.txt"), samples);
}

/// Its data are one file: neither ./data nor the environment goes before it.
TEST_F(Text, ARunOnOneFileFindsItAgain) {
  std::string book;
  for (int n = 0; n < 40; ++n) book += n % 2 == 0 ? "come home now\n" : "no yes now come\n";
  write("book.txt", book);
  const std::string model = "--config text.ini --device cpu --threads 1 --max-steps 4 --name book";
  const Outcome trained = kaem("train --dataset TEXT --data-dir book.txt " + model);
  ASSERT_EQ(trained.status, 0) << trained.err;
  const Outcome evaluated = kaem("evaluate last --methods is --samples 20 -n 2 --device cpu --threads 1");
  EXPECT_EQ(evaluated.status, 0) << evaluated.err;
  const Outcome resumed = kaem("train --resume --max-steps 6");
  EXPECT_EQ(resumed.status, 0) << resumed.err;
}

}  // namespace
}  // namespace kaem
