// kaem export, kaem traverse and rows of interpolations, as a user calls them.
#include <nlohmann/json.hpp>
#include <sstream>

#include "apps/support.h"
#include "apps/tiny_file.h"

namespace kaem {
namespace {

class ExportRun : public Program {
 protected:
  void SetUp() override {
    Program::SetUp();
    write("tiny.ini", kTinyFile);
    const Outcome trained = kaem("train --dataset DARCY_PERM --config tiny.ini --device cpu --threads 1 --name tiny " +
                                 std::string("--set TRAINING.ema_decay=0.5"));
    ASSERT_EQ(trained.status, 0) << trained.err;
  }
  /// What a call says that must succeed.
  std::string done(const std::string& arguments) const {
    const Outcome outcome = kaem(arguments + " --device cpu");
    EXPECT_EQ(outcome.status, 0) << arguments << "\n" << outcome.err;
    return outcome.out;
  }
};

TEST_F(ExportRun, WritesEveryFormat) {
  EXPECT_HAS(done("export last --to lut"),
             "lut.csv: runs/DARCY_PERM/vanilla/tiny after update 12: 6 components, 4,096");
  const auto meta = nlohmann::json::parse(content_of(folder / "lut.csv.json"));
  EXPECT_LT(meta.at("error"), 1e-3);
  EXPECT_HAS(done("export last --to lut --bits 9 --out t.npy"), "512 entries of 9 bits");
  EXPECT_HAS(content_of(folder / "t.npy"), "(3, 2, 512)");
  EXPECT_HAS(done("export last --to torchscript --out m.pt"), "generate");
  EXPECT_HAS(done("export last --to safetensors"), "averages of the weights");
  EXPECT_TRUE(std::filesystem::exists(folder / "model.safetensors"));
  const Outcome h5 = kaem("export last --to h5 -n 20 --seed 3 --out s.h5 --device cpu");
  if (h5.status == 0) {
    EXPECT_EQ(content_of(folder / "s.h5").substr(1, 3), "HDF");
    done("export last --to h5 -n 20 --seed 4 --out other.h5");
    EXPECT_NE(content_of(folder / "s.h5"), content_of(folder / "other.h5"));
  } else {
    EXPECT_HAS(h5.error_line(), "built without HDF5");
  }
}

TEST_F(ExportRun, RefusesInOneLine) {
  EXPECT_HAS(refused("export"), "expected a RUN");
  EXPECT_HAS(refused("export last"), "--to: expected lut, torchscript, safetensors or h5");
  EXPECT_HAS(refused("export last --to torchscrpt"), "did you mean 'torchscript'?");
  EXPECT_HAS(refused("export last --to lut --out x.txt"), "--out x.txt: expected a name that ends in .csv or .npy");
  EXPECT_HAS(refused("export last --to lut --bits 17"), "--bits 17: expected an integer in 2..16");
  EXPECT_HAS(refused("export last --to h5 --bits 12"), "--bits: has no effect on --to h5");
  EXPECT_HAS(refused("export last --to lut -n 3"), "--count: has no effect on --to lut");
  EXPECT_HAS(refused("export last --to torchscript --seed 3"), "--seed: has no effect");
  EXPECT_HAS(refused("export nowhere --to lut"), "nowhere");
  EXPECT_HAS(refused("export last --to lut --out no/x.csv"), "there is no folder no");
  EXPECT_HAS(refused("traverse"), "expected a RUN");
  EXPECT_HAS(refused("traverse last --out t.npy"), "ends in .png");
  EXPECT_HAS(refused("traverse last --components 0"), "--components 0: expected an integer in 1..1000");
  EXPECT_HAS(refused("traverse last --columns 1"), "--columns 1: expected an integer in 2..100");
  EXPECT_HAS(refused("traverse last --csv t.png --out t.png"), "name the same file");
}

TEST_F(ExportRun, TraversesItsComponents) {
  const std::string said = done("traverse last --every --components 4 --columns 5 --out t.png --csv t.csv");
  EXPECT_HAS(said, "q,p");
  EXPECT_HAS(said, "t.png: 4 of 6 components");
  EXPECT_EQ(content_of(folder / "t.png").substr(1, 3), "PNG");
  std::istringstream rows(content_of(folder / "t.csv"));
  std::string line;
  std::getline(rows, line);
  EXPECT_EQ(line, "q,p,distance,standard_error,low,high");
  double before = 1e30;
  int count = 0;
  for (; std::getline(rows, line); ++count) {
    const double distance = std::stod(line.substr(line.find(',', line.find(',') + 1) + 1));
    EXPECT_LE(distance, before);
    EXPECT_GT(distance, 0);
    before = distance;
  }
  EXPECT_EQ(count, 6);
  EXPECT_HAS(done("traverse last"), "traverse.png: 3 of 3 components");
}

TEST_F(ExportRun, InterpolationsAreRows) {
  EXPECT_HAS(done("sample last -n 4 --interpolate 0,1 --out a.npy"), "a.npy: 4 samples between two draws");
  EXPECT_HAS(content_of(folder / "a.npy"), "(4, 1, 8, 8)");
  EXPECT_HAS(done("sample last -n 4 --interpolate 0,1 --interpolate 2,3 --path all --out b.npy --latents z.npy"),
             "b.npy: 6 rows of 4 samples");
  EXPECT_HAS(content_of(folder / "b.npy"), "(24, 1, 8, 8)");
  EXPECT_HAS(content_of(folder / "z.npy"), "(24, 3, 2)");
  // Of all three ways the third is the one that is taken where none is named.
  const std::string all = content_of(folder / "b.npy"), one = content_of(folder / "a.npy");
  const size_t row = 4 * 64 * sizeof(float), header = all.size() - 6 * row;
  EXPECT_EQ(all.substr(header + 2 * row, row), one.substr(one.size() - row));
  EXPECT_NE(all.substr(header, row), one.substr(one.size() - row));
  // A row of pictures is as wide as its samples: 4 of 8 pixels.
  done("sample last -n 4 --interpolate 0,1 --interpolate 2,3 --out rows.png");
  const std::string png = content_of(folder / "rows.png");
  const auto size = [&](size_t at) {
    return 256 * static_cast<uint8_t>(png[at + 2]) + static_cast<uint8_t>(png[at + 3]);
  };
  EXPECT_EQ(size(16) - 2 * 5, 2 * (size(20) - 2 * 3));
  EXPECT_HAS(refused("sample last --interpolate 0,1 --path curve"),
             "'curve' is not known; one of: linear slerp cdf all");
  EXPECT_HAS(refused("sample last --path slerp"), "--path slerp: expected --interpolate A,B with it");
  EXPECT_HAS(refused("sample last --interpolate 0,1 --interpolate 3"), "expected two numbers of draws A,B");
}

/// torch.jit.load in a Python without kaem, where there is one with torch and NumPy.
TEST_F(ExportRun, PythonLoadsTheModule) {
  const char* named = std::getenv("KAEM_PYTHON");
  const std::string python = named != nullptr && *named != '\0' ? named : "python3";
  if (std::system((python + " -c 'import torch, numpy' >/dev/null 2>&1").c_str()) != 0)
    GTEST_SKIP() << python << " has no torch and NumPy (KAEM_PYTHON names another)";
  done("export last --to torchscript --out m.pt");
  done("sample last -n 9 --out x.npy --latents z.npy");
  const std::string script = std::filesystem::absolute("tests/apps/load_module.py").string();
  const std::string command =
      "cd " + folder.string() + " && " + python + " " + script + " m.pt z.npy x.npy > py.txt 2>&1";
  EXPECT_EQ(std::system(command.c_str()), 0) << content_of(folder / "py.txt");
}

}  // namespace
}  // namespace kaem
