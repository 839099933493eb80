// kaem symbolic and kaem prune: tables, files, and runs that the other commands take.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "apps/support.h"
#include "apps/tiny_file.h"

namespace kaem {
namespace {

class Interpret : public Program {
 protected:
  void SetUp() override {
    Program::SetUp();
    write("tiny.ini", kTinyFile);
  }
  void train(const std::string& more = "") const {
    const Outcome outcome =
        kaem("train --dataset DARCY_PERM --config tiny.ini --device cpu --threads 1 --name tiny " + more);
    ASSERT_EQ(outcome.status, 0) << outcome.err;
  }
  /// The mean of `kaem evaluate` of a run by importance sampling.
  double evaluated(const std::string& run) const {
    const Outcome outcome = kaem("evaluate " + run + " --device cpu --methods is --samples 300 -n 4 --json e.json");
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    const auto json = nlohmann::json::parse(content_of(folder / "e.json"));
    return json["scores"]["log p(x), importance sampling"]["value"].get<double>();
  }
};

TEST_F(Interpret, ClosedFormsArePrintedMeasuredAndWritten) {
  train();
  const Outcome done = kaem(
      "symbolic last --device cpu --samples 300 -n 4 --components 2 --candidates 2 --out f.csv --json f.json "
      "--write runs/closed");
  ASSERT_EQ(done.status, 0) << done.err;
  for (const char* part : {"KL(p|pi0)", "best of all components", "closed forms", "change", "runs/closed: the run"})
    EXPECT_HAS(done.out, part);
  const std::string csv = content_of(folder / "f.csv");
  EXPECT_EQ(csv.substr(0, csv.find('\n')), "q,p,divergence,rank,function,complexity,r2,score,a,b,c,d,formula");
  EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 1 + 3 * 2 * 2);
  const auto json = nlohmann::json::parse(content_of(folder / "f.json"));
  EXPECT_EQ(json["components"].size(), 6u);
  EXPECT_GE(json["components"][0]["divergence"], json["components"][5]["divergence"]);
  const auto& found = json["log_likelihood"];
  EXPECT_NEAR(found["run"]["mean"].get<double>(), evaluated("runs/DARCY_PERM/vanilla/tiny"), 1e-9);
  EXPECT_NEAR(found["symbolic"]["mean"].get<double>(), evaluated("runs/closed"), 1e-9);
  EXPECT_NEAR(found["change"]["mean"].get<double>(),
              found["symbolic"]["mean"].get<double>() - found["run"]["mean"].get<double>(), 1e-9);
  ASSERT_EQ(kaem("sample runs/closed --device cpu --out s.png").status, 0);
  EXPECT_EQ(content_of(folder / "s.png").substr(1, 3), "PNG");
  EXPECT_EQ(kaem("prior runs/closed --device cpu --out p.csv --points 11").status, 0);
  EXPECT_EQ(kaem("inspect runs/closed").status, 0);
  // Formulas of formulas are they themselves.
  const Outcome again = kaem("symbolic runs/closed --device cpu -n 0 --candidates 1 --json g.json");
  ASSERT_EQ(again.status, 0) << again.err;
  for (const auto& component : nlohmann::json::parse(content_of(folder / "g.json"))["components"])
    EXPECT_GT(component["candidates"][0]["r2"], 0.9999) << component.dump();
  EXPECT_HAS(refused("symbolic last --device cpu --write runs/closed"), "exists");
}

TEST_F(Interpret, PrunesByNumberAndByThreshold) {
  train("--set MixtureModel.use_mixture_prior=true");
  const Outcome kept =
      kaem("prune last --device cpu --samples 300 -n 4 --keep 2 --out p.csv --json p.json --write runs/pruned");
  ASSERT_EQ(kept.status, 0) << kept.err;
  const auto json = nlohmann::json::parse(content_of(folder / "p.json"));
  EXPECT_EQ(json["kept"], 2);
  int pruned = 0;
  for (const auto& component : json["components"]) pruned += component["pruned"].get<bool>() ? 1 : 0;
  EXPECT_EQ(pruned, 4);
  EXPECT_FALSE(json["components"][5]["pruned"].get<bool>()) << "what says most stays";
  const auto& found = json["log_likelihood"];
  EXPECT_NEAR(found["pruned"]["mean"].get<double>(), evaluated("runs/pruned"), 1e-9);
  EXPECT_NEAR(found["change"]["mean"].get<double>(),
              found["pruned"]["mean"].get<double>() - found["run"]["mean"].get<double>(), 1e-9);
  const std::string csv = content_of(folder / "p.csv");
  EXPECT_EQ(csv.substr(0, csv.find('\n')), "q,p,divergence,pruned,change,standard_error");

  // Of the pruned run four energies are 0: they cost nothing.
  const Outcome free = kaem("prune runs/pruned --device cpu --samples 300 -n 4 --threshold 0 --json q.json");
  ASSERT_EQ(free.status, 0) << free.err;
  const auto again = nlohmann::json::parse(content_of(folder / "q.json"));
  EXPECT_GE(again["pruned"], 4);
  for (int i = 0; i < 4; ++i) {
    EXPECT_TRUE(again["components"][i]["pruned"].get<bool>());
    EXPECT_EQ(again["components"][i]["change"]["mean"], 0);
  }
  EXPECT_HAS(free.out, "taken");
}

TEST_F(Interpret, RefusesInOneLine) {
  EXPECT_HAS(refused("symbolic"), "expected a RUN");
  EXPECT_HAS(refused("prune"), "expected a RUN");
  EXPECT_HAS(refused("prune last"), "one of --threshold NATS and --keep N");
  EXPECT_HAS(refused("prune last --threshold x"), "expected a number of nats");
  EXPECT_HAS(refused("symbolic last --out f.txt"), ".csv");
  EXPECT_HAS(refused("symbolic last --weight densty"), "did you mean 'density'");
  EXPECT_HAS(refused("symbolic last --write last"), "not 'last'");
  train(
      "--set EbmModel.layer_widths=3,2,1 --set EbmModel.π_0=gaussian --set POST_LANGEVIN.sampler=ula "
      "--set POST_LANGEVIN.iters=2");
  EXPECT_HAS(refused("symbolic last --device cpu"), "a deep prior");
  EXPECT_HAS(refused("prune last --keep 1 --device cpu"), "a deep prior");
  EXPECT_HAS(refused("train --dataset DARCY_PERM --config tiny.ini --set EbmModel.energies=symbolic "
                     "--set EbmModel.layer_widths=3,2,1 --set POST_LANGEVIN.sampler=ula"),
             "a deep prior");
}

}  // namespace
}  // namespace kaem
