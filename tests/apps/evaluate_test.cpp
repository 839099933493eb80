// kaem evaluate: every metric of a run on data with labels, on data without, and with a reference's statistics.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <sstream>

#include "apps/support.h"
#include "apps/tiny_file.h"

namespace kaem {
namespace {

class Evaluate : public Program {
 protected:
  void SetUp() override {
    Program::SetUp();
    write("tiny.ini", kTinyFile);
  }

  /// Data of MNIST's form: bright in the upper half (class 0) or in the lower (class 1), with a pattern that differs.
  void write_digits(const std::string& set, int count, const std::string& images, const std::string& labels) const {
    const auto header = [](char kind, std::vector<int> sizes) {
      std::string text = {0, 0, 8, kind};
      for (const int size : sizes) text += {0, 0, static_cast<char>(size / 256), static_cast<char>(size % 256)};
      return text;
    };
    std::string pixels = header(3, {count, 28, 28}), classes = header(1, {count});
    uint32_t state = static_cast<uint32_t>(count);
    for (int i = 0; i < count; ++i) {
      classes += static_cast<char>(i % 2);
      for (int row = 0; row < 28; ++row)
        for (int column = 0; column < 28; ++column) {
          state = state * 1664525U + 1013904223U;
          const bool bright = (row < 14) == (i % 2 == 0);
          pixels += static_cast<char>((bright ? 120 : 0) + static_cast<int>(state >> 25U));
        }
    }
    std::filesystem::create_directories(folder / "data" / set);
    write("data/" + set + "/" + images, pixels), write("data/" + set + "/" + labels, classes);
  }

  void write_set(const std::string& set) const {
    write_digits(set, 80, "train-images-idx3-ubyte", "train-labels-idx1-ubyte");
    write_digits(set, 40, "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte");
  }

  nlohmann::json scores(const std::string& arguments) const {
    const Outcome outcome = kaem(
        "evaluate last --device cpu --threads 1 --methods is --samples 50 --chains 2 --levels 5 -n 4 "
        "--generated 32 --json e.json --csv e.csv " +
        arguments);
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    printed = outcome.out;
    return nlohmann::json::parse(content_of(folder / "e.json")).at("scores");
  }
  mutable std::string printed;

  /// A run on what write_set writes, of the little model.
  static constexpr const char* kTrainDigits =
      "train --dataset MNIST --config tiny.ini --device cpu --threads 1 --data-dir data --offline "
      "--set TRAINING.N_train=80 --set TRAINING.N_test=8 ";

  /// A row of a table in CSV by its columns.
  static nlohmann::json scores_of_table(const std::string& table, const std::string& run) {
    std::istringstream lines(table);
    std::string header, line;
    std::getline(lines, header);
    while (std::getline(lines, line) && !line.starts_with(run + ",")) continue;
    std::istringstream names(header), cells(line);
    nlohmann::json row;
    for (std::string name, cell; std::getline(names, name, ',') && std::getline(cells, cell, ',');)
      if (name != "run" && !cell.empty()) row[name] = std::stod(cell);
    return row;
  }
};

TEST_F(Evaluate, MeasuresAllThereIsOfDataWithLabels) {
  write_set("mnist"), write_set("fashion_mnist");
  const Outcome trained = kaem(kTrainDigits + std::string("--name tiny --resize 12x12"));
  ASSERT_EQ(trained.status, 0) << trained.err;
  const auto found = scores("--metrics all --against FMNIST --nearest near.png --reconstructions r.png");
  for (const char* name : {"log p(x), importance sampling", "classifier FID", "classifier FID, limit for many samples",
                           "classifier FID of test data", "classifier KID", "classifier precision", "classifier recall",
                           "reconstruction MSE", "reconstruction PSNR, dB", "reconstruction SSIM", "nearest, samples",
                           "nearest, test data", "spectrum, RMS log10 ratio", "AUROC against FMNIST, -log p(x)",
                           "AUPRC against FMNIST, -log p(x)"}) {
    ASSERT_TRUE(found.contains(name)) << name << "\n" << found.dump(1);
    EXPECT_TRUE(found.at(name).at("value").is_number()) << name;
    EXPECT_TRUE(found.at(name).at("standard_error").is_number() || found.at(name).contains("note")) << name;
  }
  EXPECT_TRUE(found.contains("log p(x) from below") && found.contains("gap")) << found.dump(1);
  // A model that has hardly been trained is far from the data, and the two sets of data are one.
  EXPECT_GT(found.at("classifier FID").at("value"), found.at("classifier FID of test data").at("value"));
  EXPECT_EQ(found.at("AUROC against FMNIST, -log p(x)").at("value"), 0.5);
  EXPECT_EQ(content_of(folder / "near.png").substr(1, 3), "PNG");
  EXPECT_HAS(printed, "% of the test data right");
  const std::string csv = content_of(folder / "e.csv");
  EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 1 + static_cast<int64_t>(found.size()));

  const auto again = scores("--metrics fid --statistics s.npz"), read = scores("--metrics fid --statistics s.npz");
  EXPECT_EQ(again.at("classifier FID").at("value"), found.at("classifier FID").at("value"));
  EXPECT_EQ(again.dump(), read.dump());
  EXPECT_HAS(printed, "80 training data of s.npz");
  write("s.npz", "nothing");
  EXPECT_HAS(kaem("evaluate last --metrics fid --statistics s.npz --device cpu").error_line(), "s.npz");
  EXPECT_HAS(kaem("evaluate last --metrics fid --features e.json --device cpu").error_line(), "TorchScript");
}

/// The lower half is bright in the class that training has not seen.
TEST_F(Evaluate, TellsAClassThatWasLeftOut) {
  write_set("mnist");
  const std::string tiny = kTrainDigits + std::string("--resize 12x12 ");
  ASSERT_EQ(kaem(tiny + "--name all").status, 0);
  EXPECT_HAS(refused("evaluate last --device cpu --metrics anomaly"),
             "--metrics anomaly: the run left no classes out ([DATA] leave_out)");
  const Outcome trained = kaem(tiny + "--name upper --set DATA.leave_out=1 --set TRAINING.N_epochs=20");
  ASSERT_EQ(trained.status, 0) << trained.err;
  EXPECT_HAS(trained.err, "40 training and 4 test records of the classes left out (1) are not taken");
  const Outcome told =
      kaem("evaluate last --device cpu --threads 1 --metrics anomaly -n 20 --chains 4 --levels 100 --json e.json");
  ASSERT_EQ(told.status, 0) << told.err;
  EXPECT_HAS(told.out, "10 test data of classes left out among 20");
  const auto found = nlohmann::json::parse(content_of(folder / "e.json")).at("scores");
  for (const char* score : {"-log p(x)", "-log p(x,z)", "-log p(x|z)", "relative error"}) {
    EXPECT_GT(found.at(std::string("AUROC of classes left out, ") + score).at("value"), 0.99) << score;
    EXPECT_GT(found.at(std::string("AUPRC of classes left out, ") + score).at("value"), 0.99) << score;
  }
  EXPECT_TRUE(found.contains("AUPRC of classes left out, -log p(z)"));
  EXPECT_HAS(refused("evaluate last --device cpu --metrics anomaly -n 1 --levels 10"), "expected more of them (-n)");

  // The classes are those of the run's own data: of another set none is left out.
  write_set("fashion_mnist");
  EXPECT_HAS(kaem("evaluate last --device cpu --metrics ood --against FMNIST -n 12 --chains 2 --levels 10").out,
             "and 12 of FMNIST");
  // Without a test file those that the run held out are all there are: it has trained on the others.
  for (const char* file : {"t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"})
    std::filesystem::remove(folder / "data/mnist" / file);
  ASSERT_EQ(kaem(tiny + "--name held --set DATA.leave_out=1").status, 0);
  EXPECT_HAS(kaem("evaluate last --device cpu --metrics anomaly -n 40 --levels 10").out,
             "4 test data of classes left out among 8");
}

/// What a shell exports for new runs is not taken for the data of an old one; --data-dir is.
TEST_F(Evaluate, TakesTheRunsOwnDataBeforeTheEnvironments) {
  write_set("mnist");
  ASSERT_EQ(kaem(kTrainDigits + std::string("--name a")).status, 0);
  std::filesystem::create_directories(folder / "other");
  std::filesystem::rename(folder / "data/mnist", folder / "other/mnist");
  write_digits("mnist", 80, "train-images-idx3-ubyte", "train-labels-idx1-ubyte");
  write_digits("mnist", 60, "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte");  // other test data now
  const auto value = [&](const std::string& environment, const std::string& more) {
    const std::string command =
        "cd " + folder.string() + " && " + environment + " XDG_CACHE_HOME=" + folder.string() + "/cache " + program() +
        " evaluate last --device cpu --threads 1 --methods is --samples 50 -n 6 --offline --json e.json " + more +
        " > out.txt 2> err.txt";
    EXPECT_EQ(std::system(command.c_str()), 0) << content_of(folder / "err.txt");
    return nlohmann::json::parse(content_of(folder / "e.json"))["scores"]["log p(x), importance sampling"]["value"]
        .get<double>();
  };
  const double own = value("KAEM_DATA_DIR=", "");
  EXPECT_HAS(content_of(folder / "err.txt"), "these are not the data that the run was trained on");
  EXPECT_EQ(value("KAEM_DATA_DIR=other", ""), own);
  EXPECT_NE(value("KAEM_DATA_DIR=", "--data-dir other"), own);
  EXPECT_EQ(content_of(folder / "err.txt").find("these are not the data"), std::string::npos);
}

/// Stepping-stone sampling has no weights, so it has no effective sample size; one chain has no error.
TEST_F(Evaluate, TellsNoSampleSizeWhereThereAreNoWeights) {
  ASSERT_EQ(kaem("train --dataset DARCY_PERM --config tiny.ini --device cpu --threads 1 --name tiny").status, 0);
  const Outcome scored = kaem("evaluate last --device cpu --methods ss --chains 2 -n 2 --json e.json");
  ASSERT_EQ(scored.status, 0) << scored.err;
  EXPECT_EQ(scored.out.find("rests on"), std::string::npos) << scored.out;
  const auto json = nlohmann::json::parse(content_of(folder / "e.json"));
  EXPECT_TRUE(json.at("log_likelihood").at("stepping stone").at("ess").is_null());
  EXPECT_HAS(refused("evaluate last --device cpu --methods ss --chains 1"), "at least 2");
  EXPECT_HAS(refused("evaluate last --device cpu --json a.json --csv ./a.json"), "same file");
  EXPECT_HAS(refused("evaluate last --device cpu --reconstructions r.txt"), ".png");
  EXPECT_HAS(refused("sample last --device cpu --out x.npy --latents ./x.npy"), "same file");
}

/// A configuration that could not be read again is refused before the training, not after.
TEST_F(Evaluate, RefusesPathsThatARunCannotKeep) {
  const std::string train =
      "train --dataset DARCY_PERM --config tiny.ini --device cpu --threads 1 --name n --max-steps 1 ";
  EXPECT_HAS(refused(train + "--out " + (folder / "o").string() + " --set DATA.root=" + std::string(150, 'd')),
             "160 bytes");
  EXPECT_HAS(kaem("train --dataset DARCY_PERM --config tiny.ini --data-dir 'a #b'").error_line(), "comment marks");
  EXPECT_FALSE(std::filesystem::exists(folder / "o/DARCY_PERM/vanilla/n/config.ini"));
}

TEST_F(Evaluate, SaysWhatItDoesNotMeasure) {
  ASSERT_EQ(kaem("train --dataset DARCY_PERM --config tiny.ini --device cpu --threads 1 --name tiny").status, 0);
  const auto found = scores("--metrics all");
  EXPECT_HAS(printed, "fid: not measured: DARCY_PERM has no labels to train a classifier on");
  EXPECT_HAS(printed, "ood: not measured: name the other data with --against");
  EXPECT_TRUE(found.contains("spectrum, RMS log10 ratio"));
  EXPECT_FALSE(found.contains("classifier FID"));
  EXPECT_FALSE(found.contains("reconstruction SSIM"));  // 8x8 pixels: no window fits
}

TEST_F(Evaluate, ARunMeasuresItselfAndKeepsItsBest) {
  write_set("mnist");
  const std::string tiny =
      kTrainDigits + std::string("--resize 12x12 --set TRAINING.eval_every=1 --set TRAINING.eval_generated=32 ");
  const Outcome trained = kaem(tiny +
                               "--name a --set TRAINING.eval_metrics=loglik,fid,precision-recall "
                               "--set TRAINING.keep_best=eval_fid");
  ASSERT_EQ(trained.status, 0) << trained.err;
  const std::string metrics = content_of(folder / "runs/MNIST/vanilla/a/metrics.csv");
  EXPECT_HAS(metrics.substr(0, metrics.find('\n')), ",eval_loglik,eval_fid,eval_precision,eval_recall");
  EXPECT_EQ(kaem("evaluate runs/MNIST/vanilla/a/best --methods is --samples 50 -n 4 --data-dir data").status, 0);
  EXPECT_HAS(refused(tiny + "--name b --set TRAINING.eval_metrics=fdi"), "did you mean 'fid'?");
  EXPECT_HAS(refused(tiny + "--name c --set TRAINING.keep_best=eval_fid"), "one of: eval_loglik");
  EXPECT_HAS(refused(tiny + "--name d --set TRAINING.eval_metrics=ood"), "--against");
  EXPECT_FALSE(std::filesystem::exists(folder / "runs/MNIST/vanilla/d")) << "a folder before the refusal";
  EXPECT_HAS(refused("train --resume runs/MNIST/vanilla/a/best --data-dir data"), "leave out /best");
}

TEST_F(Evaluate, ComparesRunsInOneTableAndKeepsWhatItMeasured) {
  write_set("mnist");
  const std::string tiny =
      "train --dataset MNIST --device cpu --threads 1 --data-dir data --offline --resize 12x12 --set "
      "TRAINING.N_train=80 --set TRAINING.N_test=8 --set TRAINING.batch_size=8 --max-steps 3 --quiet ";
  ASSERT_EQ(kaem(tiny + "--config tiny.ini --name a").status, 0);
  ASSERT_EQ(kaem(tiny + "--mode baseline-vae --name b --set VAE.latent_dim=4 --set VAE.decoder=dense").status, 0);
  ASSERT_EQ(kaem(tiny + "--mode baseline-gan --name c --set GAN.latent_dim=4 --set GAN.generator_channels=4 --set "
                        "GAN.generator_strides=2,1 --set GAN.generator_kernels=4,3 --set GAN.generator_paddings=1 "
                        "--set GAN.discriminator_channels=4 --set GAN.discriminator_strides=2 --set "
                        "GAN.discriminator_kernels=4 --set GAN.discriminator_paddings=1")
                .status,
            0);
  const std::string compare =
      "compare runs/MNIST/vanilla/a runs/MNIST/baseline-vae/b runs/MNIST/baseline-gan/c --device cpu --threads 1 "
      "--metrics loglik,fid,precision-recall --methods is --samples 50 -n 4 --generated 32 --data-dir data ";
  const Outcome first = kaem(compare + "--out t.csv");
  ASSERT_EQ(first.status, 0) << first.err;
  EXPECT_HAS(first.out, "| run ");
  EXPECT_HAS(first.out, "baseline-gan/c: loglik: this model has no density p(x|z)");
  const std::string table = content_of(folder / "t.csv");
  EXPECT_HAS(table, "run,updates,seconds,loglik,loglik_error,fid,fid_error,precision,precision_error,recall");
  EXPECT_HAS(table, "\nbaseline-gan/c,3,");
  // Another form of what was kept is measured again.
  for (const char* damaged : {"{\"3 loglik\": 7}", "[1,2]", "{"}) {
    write("runs/MNIST/vanilla/a/compared.json", damaged);
    EXPECT_EQ(kaem(compare + "--out t2.csv").status, 0) << damaged;
    EXPECT_EQ(content_of(folder / "t2.csv"), table) << damaged;
  }
  const auto kept = nlohmann::json::parse(content_of(folder / "runs/MNIST/vanilla/a/compared.json"));
  EXPECT_EQ(kept.size(), 3u);
  const nlohmann::json alone = scores_of_table(table, "vanilla/a");
  for (const auto& [key, value] : kept.items())
    EXPECT_TRUE(!key.starts_with("3 loglik") || alone["loglik"] == value[0][0]);
  EXPECT_TRUE(alone.contains("fid"));
  // Kept numbers need no data.
  std::filesystem::rename(folder / "data", folder / "gone");
  EXPECT_EQ(kaem(compare + "--out t3.csv").status, 0) << "what was kept was measured again";
  EXPECT_EQ(content_of(folder / "t3.csv"), table);
  std::filesystem::rename(folder / "gone", folder / "data");
  EXPECT_HAS(refused("compare"), "expected RUNs");
  EXPECT_HAS(refused("compare runs/MNIST/vanilla/z"), "there is no run");
  EXPECT_HAS(refused(compare + "--out t.txt"), "ends in .md, .csv or .html");
  EXPECT_HAS(refused("compare runs/MNIST/vanilla/a --methods is,ais"), "one estimate of log p(x)");
  EXPECT_HAS(refused("evaluate runs/MNIST/vanilla/a --methods is,is"), "names is twice");
  // Pictures tell runs apart that have one name.
  std::filesystem::copy(folder / "runs/MNIST/baseline-vae/b", folder / "runs/MNIST/baseline-vae/a",
                        std::filesystem::copy_options::recursive);
  ASSERT_EQ(kaem("plot runs/MNIST/vanilla/a runs/MNIST/baseline-vae/a --no-pictures --out p").status, 0);
  const auto runs = nlohmann::json::parse(content_of(folder / "p/runs.json")).at("runs");
  EXPECT_EQ(runs[0]["name"], "vanilla/a");
  EXPECT_EQ(runs[1]["name"], "baseline-vae/a");
  EXPECT_HAS(refused("plot runs/MNIST/vanilla/a runs/MNIST/vanilla/a --no-pictures"), "named twice");
  EXPECT_HAS(refused("plot runs/MNIST/vanilla/a --no-pictures --out t.csv"), "t.csv: expected a folder");
}

/// With a likelihood that says nothing the posterior is the prior, and every part must see it; with one that says much
/// it is not.
TEST_F(Evaluate, DiagnosesAPosteriorThatIsThePrior) {
  write_set("mnist");
  const auto told = [&](const std::string& sigma) {
    const Outcome trained =
        kaem(std::string(kTrainDigits) + "--max-steps 2 --set GeneratorModel.generator_variance=" + sigma);
    EXPECT_EQ(trained.status, 0) << trained.err;
    const Outcome outcome = kaem(
        "diagnose last --device cpu --threads 1 -n 64 --levels 40 --chains 2 --batch 8 --steps 60 --repeats 4 --json "
        "d.json");
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    return nlohmann::json::parse(content_of(folder / "d.json")).at("scores");
  };
  const nlohmann::json blunt = told("50"), sharp = told("0.02");
  const auto value = [](const nlohmann::json& scores, const char* name) {
    return scores.at(name).at("value").get<double>();
  };
  constexpr const char *kDistance = "KS distance, median", *kDivergence = "KL(posterior|prior), sum",
                       *kAccuracy = "two-sample accuracy, generator's inputs",
                       *kPosterior = "classifier FID of posterior draws", *kPrior = "classifier FID of prior draws";
  EXPECT_LT(value(blunt, kDistance), 1.36 / std::sqrt(40.0));
  EXPECT_GT(value(sharp, kDistance), value(blunt, kDistance));
  EXPECT_GT(value(sharp, kDivergence), value(blunt, kDivergence));
  EXPECT_NEAR(value(blunt, kAccuracy), 0.5, 0.35);
  EXPECT_NEAR(value(blunt, kPosterior) / value(blunt, kPrior), 1, 0.2);
  for (const auto& scores : {blunt, sharp}) {
    EXPECT_GT(value(scores, "R-hat of long chains, median"), 0.9);
    EXPECT_GT(value(scores, "generator: signal over noise of one update"), 0);
  }
  EXPECT_NE(kaem("diagnose last --parts walls").err.find("prior pictures chains gradients"), std::string::npos);
}

}  // namespace
}  // namespace kaem
