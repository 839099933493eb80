// The page of a run: what stands in it, read from the data that it carries.
#include <nlohmann/json.hpp>
#include <set>

#include "apps/support.h"
#include "apps/tiny_file.h"

namespace kaem {
namespace {

constexpr const char* kTrain = "train --dataset DARCY_PERM --config tiny.ini --device cpu --threads 1 --quiet ";

class Report : public Program {
 protected:
  void SetUp() override {
    Program::SetUp();
    write("tiny.ini", kTinyFile);
  }
  static nlohmann::json data_of(const std::string& page) {
    const std::string begin = "<script id=\"data\" type=\"application/json\">";
    const size_t from = page.find(begin) + begin.size();
    return nlohmann::json::parse(page.substr(from, page.find("</script>", from) - from));
  }
};

TEST_F(Report, StandsInTheRunsFolder) {
  ASSERT_EQ(kaem(std::string(kTrain) + "--name a --profile --set TRAINING.gen_every=1").status, 0);
  const std::string page = content_of(folder / "runs/DARCY_PERM/vanilla/a/report.html");
  ASSERT_FALSE(page.empty());
  for (const char* link : {"http://", "https://", "src=\"", "@import", "url("})  // but for the namespace of SVG
    EXPECT_EQ(page.find(link) == std::string::npos, std::string(link) != "http://") << link;
  const auto run = data_of(page).at("runs").at(0);
  EXPECT_EQ(run.at("updates"), 12);
  EXPECT_EQ(run.at("metrics").at("step").size(), 12U);
  EXPECT_EQ(run.at("metrics").at("loss").size(), 12U);
  EXPECT_EQ(run.at("samples").size(), 3U);
  EXPECT_EQ(run.at("samples").at(2).at("step"), 12);
  EXPECT_EQ(run.at("samples").at(0).at("png").get<std::string>().substr(0, 8), "iVBORw0K")
      << "base64 of a PNG's first bytes";
  EXPECT_EQ(run.at("prior").at("count"), 6);
  EXPECT_EQ(run.at("prior").at("components").size(), 6U);
  bool batch = false;
  for (const auto& setting : run.at("settings"))
    batch = batch || (setting.at("key") == "TRAINING.batch_size" && setting.at("now") == "4");
  EXPECT_TRUE(batch) << run.at("settings");
  std::set<std::string> phases;
  for (const auto& phase : run.at("phases")) phases.insert(phase.at("name"));
  for (const char* phase : {"posterior samples", "loss", "backward pass", "pictures of samples", "checkpoints"})
    EXPECT_TRUE(phases.contains(phase)) << phase;
  EXPECT_HAS(run.at("commands").at(0).get<std::string>(), "--name a --profile");
  const auto trace = nlohmann::json::parse(content_of(folder / "runs/DARCY_PERM/vanilla/a/profile.json"));
  EXPECT_GE(trace.at("traceEvents").size(), 12U);
  EXPECT_EQ(trace.at("traceEvents").at(0).at("ph"), "X");
}

TEST_F(Report, OfTheBestCheckpointShowsThatOne) {
  const std::string run = "runs/DARCY_PERM/vanilla/a";
  ASSERT_EQ(
      kaem(std::string(kTrain) + "--name a --seed 6 --set OPTIMIZER.learning_rate=0.5 --set TRAINING.eval_every=1 " +
           "--set TRAINING.keep_best=eval_loglik")
          .status,
      0);
  ASSERT_EQ(kaem("report " + run + " --out newest.html").status, 0);
  ASSERT_EQ(kaem("report " + run + "/best --out best.html").status, 0);
  const auto newest = data_of(content_of(folder / "newest.html")).at("runs").at(0),
             best = data_of(content_of(folder / "best.html")).at("runs").at(0);
  // What the run measured says which update is the best: with so large a rate not the last one.
  const auto values = newest.at("metrics").at("eval_loglik").get<std::vector<nlohmann::json>>();
  size_t place = 0;
  for (size_t i = 0; i < values.size(); ++i)
    if (!values[i].is_null() && (values[place].is_null() || values[i] > values[place])) place = i;
  ASSERT_LT(place + 1, values.size()) << "the newest is the best: the test says nothing";
  EXPECT_EQ(newest.at("updates"), 12);
  EXPECT_EQ(best.at("updates"), newest.at("metrics").at("step").at(place));
  EXPECT_NE(best.at("prior"), newest.at("prior"));
}

/// Weights that have become infinite are shown as far as they can be; the run has ended and is not lost by it.
TEST_F(Report, OfInfiniteWeightsIsAPage) {
  const Outcome done =
      kaem(std::string(kTrain) + "--name a --set OPTIMIZER.learning_rate=1e8 --set TRAINING.not_finite=skip");
  ASSERT_EQ(done.status, 0) << done.err;
  EXPECT_EQ(data_of(content_of(folder / "runs/DARCY_PERM/vanilla/a/report.html")).at("runs").at(0).at("updates"), 12);
}

TEST_F(Report, OfSeveralRunsSaysWhatDiffers) {
  ASSERT_EQ(kaem(std::string(kTrain) + "--name a").status, 0);
  ASSERT_EQ(kaem(std::string(kTrain) + "--name b --set OPTIMIZER.learning_rate=0.005").status, 0);
  const std::string runs = "runs/DARCY_PERM/vanilla/a runs/DARCY_PERM/vanilla/b ";
  ASSERT_EQ(kaem("compare " + runs +
                 "--metrics reconstruction --chains 2 --levels 4 -n 4 --device cpu --threads 1 --out c.html")
                .status,
            0)
      << content_of(folder / "err.txt");
  const auto data = data_of(content_of(folder / "c.html"));
  ASSERT_EQ(data.at("runs").size(), 2U);
  EXPECT_EQ(data.at("runs").at(1).at("name"), "b");
  EXPECT_EQ(data.at("runs").at(1).at("all").at("OPTIMIZER.learning_rate"), "0.005");
  for (const auto& run : data.at("runs")) {
    ASSERT_FALSE(run.at("measures").empty());
    EXPECT_GT(run.at("measures").at(0).at("value").get<double>(), 0);
  }
  EXPECT_HAS(refused("report " + runs), "expected --out");
  ASSERT_EQ(kaem("train --dataset DARCY_FLOW --config tiny.ini --device cpu --threads 1 --quiet --max-steps 2 --name c")
                .status,
            0);
  EXPECT_HAS(refused("report runs/DARCY_PERM/vanilla/a last --out x.html"), "expected runs on the same data");
  EXPECT_HAS(refused("report " + runs.substr(0, runs.find(' ') + 1) + runs.substr(0, runs.find(' ')) + " --out x.html"),
             "named twice");
  ASSERT_EQ(kaem("report runs/DARCY_PERM/last --out last.html").status, 0);
  EXPECT_EQ(data_of(content_of(folder / "last.html")).at("runs").size(), 1U);
}

/// What is damaged or lost is left out, and said.
TEST_F(Report, OfADamagedFolderSaysSo) {
  ASSERT_EQ(kaem(std::string(kTrain) + "--name a --max-steps 8").status, 0);
  ASSERT_EQ(kaem("train --resume --quiet").status, 0);
  const auto run = folder / "runs/DARCY_PERM/vanilla/a";
  const auto page = [&] {
    const Outcome outcome = kaem("report last --out r.html");
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    return data_of(content_of(folder / "r.html")).at("runs").at(0);
  };
  const auto whole = page();
  EXPECT_EQ(whole.at("commands").size(), 3U) << "the first session, the resume, samples";
  EXPECT_HAS(whole.at("commands").at(1).get<std::string>(), "--resume");
  EXPECT_EQ(whole.at("remark"), "");
  std::filesystem::create_directory(run / "samples/step_99.png");
  std::filesystem::create_directory(run / "compared.json");
  std::ofstream(run / "samples/step_5.png") << "no picture";
  EXPECT_EQ(page().at("samples").size(), whole.at("samples").size());
  std::ofstream(run / "meta.json") << "{";
  EXPECT_HAS(page().at("remark").get<std::string>(), "meta.json is missing or damaged");
  for (const auto& file : std::filesystem::directory_iterator(run / "checkpoints"))
    if (file.path().extension() == ".safetensors") std::filesystem::resize_file(file.path(), 100);
  const auto lost = page();
  EXPECT_EQ(lost.at("updates"), 12) << "by metrics.csv";
  EXPECT_TRUE(lost.at("prior").is_null());
}

/// A name of the user's cannot end the script that holds the data.
TEST_F(Report, KeepsForeignTextInside) {
  ASSERT_EQ(kaem(std::string(kTrain) + "--max-steps 2 --name 'a</script><b>'").status, 2) << "no folder's name";
  ASSERT_EQ(kaem(std::string(kTrain) + "--max-steps 2 --name 'a<b>&'").status, 0);
  const std::string page = content_of(folder / "runs/DARCY_PERM/vanilla/a<b>&/report.html");
  EXPECT_EQ(page.find("a<b>"), std::string::npos);
  EXPECT_EQ(data_of(page).at("runs").at(0).at("name"), "a<b>&");
}

}  // namespace
}  // namespace kaem
