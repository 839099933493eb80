#include <algorithm>

#include "apps/support.h"
#include "apps/tiny_file.h"

namespace kaem {
namespace {

constexpr const char* kTiny = "--dataset DARCY_PERM --config tiny.ini --device cpu --threads 1 --name tiny ";
class Train : public Program {
 protected:
  void SetUp() override {
    Program::SetUp();
    write("tiny.ini", kTinyFile);
  }
  std::filesystem::path run() const { return folder / "runs/DARCY_PERM/vanilla/tiny"; }
};

TEST_F(Train, FromTrainingToSamples) {
  const Outcome trained = kaem(std::string("train ") + kTiny);
  ASSERT_EQ(trained.status, 0) << trained.err;
  for (const char* file :
       {"config.ini", "meta.json", "metrics.csv", "checkpoints/step_12.safetensors", "samples/step_12.png"})
    EXPECT_TRUE(std::filesystem::exists(run() / file)) << file;
  EXPECT_HAS(content_of(run() / "config.ini"), "; kaem config 1\n");
  EXPECT_HAS(content_of(run() / "meta.json"), "--name tiny");

  ASSERT_EQ(kaem("sample last -n 9 --out s.npy --latents z.npy --device cpu").status, 0);
  EXPECT_HAS(content_of(folder / "s.npy"), "(9, 1, 8, 8)");
  EXPECT_HAS(content_of(folder / "z.npy"), "(9, 3, 2)");
  ASSERT_EQ(kaem("sample last --device cpu").status, 0);
  EXPECT_EQ(content_of(folder / "samples.png").substr(1, 3), "PNG");

  const Outcome inspected = kaem("inspect " + run().string());
  EXPECT_EQ(inspected.status, 0);
  for (const char* part : {"layer_widths = 2,3", "prior.layer.coefficients", "history", "log_likelihood"})
    EXPECT_HAS(inspected.out, part);

  ASSERT_EQ(kaem("prior last --out p.csv --points 5 --device cpu").status, 0);
  const std::string csv = content_of(folder / "p.csv");
  EXPECT_EQ(csv.substr(0, csv.find('\n')), "q,p,z,energy,log_pi0,density,cdf");
  EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 1 + 3 * 2 * 5);
  EXPECT_HAS(csv, "\n2,1,1.2,");
}

/// Of the uniform reference on [0,1] entropy and divergence add up to 0, whatever the density.
TEST_F(Train, PlotWritesCurvesAndComponents) {
  ASSERT_EQ(kaem(std::string("train --set EbmModel.π_0=uniform ") + kTiny).status, 0);
  const Outcome plotted = kaem("plot last --no-pictures --components 3 --out p");
  ASSERT_EQ(plotted.status, 0) << plotted.err;
  std::ifstream components(folder / "p/components.csv");
  std::string line;
  std::getline(components, line);
  EXPECT_EQ(line, "q,p,entropy,divergence");
  int rows = 0;
  for (; std::getline(components, line); ++rows) {
    const size_t last = line.rfind(','), third = line.rfind(',', last - 1);
    const double entropy = std::stod(line.substr(third + 1)), divergence = std::stod(line.substr(last + 1));
    EXPECT_NEAR(entropy + divergence, 0, 1e-5) << line;
    EXPECT_GT(divergence, 0) << line;
  }
  EXPECT_EQ(rows, 6);
  const std::string curves = content_of(folder / "p/prior.csv");
  EXPECT_EQ(std::count(curves.begin(), curves.end(), '\n'), 1 + 3 * 401);
  EXPECT_HAS(kaem("plot last --python /bin/false --out p").error_line(), "make plot");
}

TEST_F(Train, RunsOnPrincipalComponentsGiveImages) {
  const Outcome trained = kaem(std::string("train --set PCA.use_pca=true --set PCA.pca_components=6 ") + kTiny);
  ASSERT_EQ(trained.status, 0) << trained.err;
  EXPECT_HAS(trained.err, "output_activation = sigmoid is replaced by identity");
  EXPECT_HAS(trained.err, "6 principal components carry ");
  ASSERT_EQ(kaem("sample last -n 5 --out s.npy --device cpu").status, 0);
  EXPECT_HAS(content_of(folder / "s.npy").substr(0, 128), "(5, 1, 8, 8)");
  const Outcome evaluated = kaem("evaluate last -n 3 --methods ais --chains 2 --levels 5 --reconstructions r.png");
  ASSERT_EQ(evaluated.status, 0) << evaluated.err;
  EXPECT_HAS(evaluated.out, "MSE");
  EXPECT_EQ(content_of(folder / "r.png").substr(1, 3), "PNG");
  EXPECT_HAS(kaem(std::string("train --dry-run --set PCA.use_pca=true ") + kTiny).out, "50 principal components");
  const Outcome absent = kaem("train --dataset DARCY_FLOW --set DATA.darcy_file=none.npy --dry-run");
  EXPECT_EQ(absent.status, 3);
  EXPECT_HAS(absent.error_line(), "none.npy");
  const Outcome many = kaem(std::string("train --set PCA.use_pca=true --set PCA.pca_components=64 ") + kTiny);
  EXPECT_EQ(many.status, 2);
  EXPECT_HAS(many.error_line(), "expected 1 to 15");
}

TEST_F(Train, TemperedAndVariationalRunsAreEvaluated) {
  for (const std::string mode : {"thermo", "variational"}) {
    const Outcome trained =
        kaem(std::string("train --mode ") + mode + " --set THERMODYNAMIC_INTEGRATION.N_langevin_per_temp=3 " + kTiny);
    ASSERT_EQ(trained.status, 0) << trained.err;
    const auto where = folder / "runs/DARCY_PERM" / mode / "tiny";
    EXPECT_HAS(content_of(where / "metrics.csv"), mode == "thermo" ? "barrier" : "divergence");
    const Outcome evaluated = kaem("evaluate " + where.string() +
                                   " -n 3 --methods is,ais,ss --samples 200 --chains 2 --levels 5 --json e.json " +
                                   "--reconstructions r.png --device cpu");
    ASSERT_EQ(evaluated.status, 0) << evaluated.err;
    for (const char* part : {"importance sampling", "annealed importance", "stepping stone", "left sum", "MSE"})
      EXPECT_HAS(evaluated.out, part);
    EXPECT_HAS(content_of(folder / "e.json"), "\"standard_error\"");
    EXPECT_EQ(content_of(folder / "r.png").substr(1, 3), "PNG");
  }
  EXPECT_HAS(kaem("evaluate last --methods aiss --device cpu").err, "did you mean 'ais'?");
  EXPECT_EQ(kaem("evaluate last --metrics fidd --device cpu").status, 2);
  for (const char* wrong : {"--methods ,", "--metrics ,", "--metrics fid", "--metrics ood", "--statistics s.txt",
                            "--json nowhere/e.json", "--methods is --kernel ula", "--reconstructions ."})
    EXPECT_EQ(kaem(std::string("evaluate last --device cpu ") + wrong).status, 2) << wrong;
}

TEST_F(Train, InterpolationStartsAndEndsAtItsDraws) {
  ASSERT_EQ(kaem(std::string("train ") + kTiny + "--max-steps 2").status, 0);
  ASSERT_EQ(kaem("sample last -n 5 --out a.npy --latents z.npy --device cpu").status, 0);
  ASSERT_EQ(kaem("sample last -n 3 --interpolate 1,4 --out b.npy --latents y.npy --device cpu").status, 0);
  const auto floats = [&](const char* file) {
    const std::string bytes = content_of(folder / file);
    const size_t header = 10 + static_cast<unsigned char>(bytes[8]) + 256 * static_cast<unsigned char>(bytes[9]);
    std::vector<float> values((bytes.size() - header) / sizeof(float));
    std::copy_n(bytes.data() + header, values.size() * sizeof(float), reinterpret_cast<char*>(values.data()));
    return values;
  };
  const auto z = floats("z.npy"), y = floats("y.npy");
  ASSERT_EQ(z.size(), 5u * 6);
  ASSERT_EQ(y.size(), 3u * 6);
  for (size_t i = 0; i < 6; ++i) {
    EXPECT_NEAR(y[i], z[1 * 6 + i], 1e-4);
    EXPECT_NEAR(y[2 * 6 + i], z[4 * 6 + i], 1e-4);
    const auto [low, high] = std::minmax(y[i], y[2 * 6 + i]);
    EXPECT_GE(y[6 + i], low - 1e-4);
    EXPECT_LE(y[6 + i], high + 1e-4);
  }
  refused("sample last --interpolate 3");
}

TEST_F(Train, DryRunTouchesNothing) {
  const Outcome plan = kaem(std::string("train ") + kTiny + "--dry-run");
  ASSERT_EQ(plan.status, 0) << plan.err;
  for (const char* part : {"16 training and 4 test records of 1x8x8", "generator.", "all parameters", "12 updates",
                           "memory", "runs/DARCY_PERM/vanilla/tiny"})
    EXPECT_HAS(plan.out, part);
  std::vector<std::string> left;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) left.push_back(entry.path().filename());
  std::sort(left.begin(), left.end());
  EXPECT_EQ(left, (std::vector<std::string>{"err.txt", "out.txt", "tiny.ini"}));
}

TEST_F(Train, GoesOnWithARun) {
  ASSERT_EQ(kaem(std::string("train ") + kTiny + "--max-steps 5 --seed 4").status, 0);
  EXPECT_TRUE(std::filesystem::exists(run() / "checkpoints/step_5.safetensors"));
  EXPECT_HAS(content_of(run() / "config.ini"), "\nseed = 4\n");
  ASSERT_EQ(kaem("train --resume --max-steps 9 --quiet").status, 0);
  EXPECT_TRUE(std::filesystem::exists(run() / "checkpoints/step_9.safetensors"));
  EXPECT_HAS(refused("train --resume last --dataset DARCY_FLOW"), "is a run on DARCY_PERM");
  refused(std::string("train ") + kTiny);  // the name is taken
}

TEST_F(Train, RunFoldersThatCannotBeMade) {
  write("file", "");
  const Outcome outcome = kaem(std::string("train ") + kTiny + "--out file/runs");
  EXPECT_EQ(outcome.status, 1);
  EXPECT_HAS(outcome.error_line(), "file/runs");
}

TEST_F(Train, MessagesAsJson) {
  const Outcome outcome = kaem(std::string("train ") + kTiny + "--max-steps 1 --log json");
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(outcome.err.front(), '{');
}

}  // namespace
}  // namespace kaem
