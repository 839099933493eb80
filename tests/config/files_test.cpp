// Files of the reference's making: those of config/, and every spelling that its versions have used.
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <sstream>

#include "config/reference_files.h"
#include "config/support.h"
#include "kaem/config/jobs.h"
#include "kaem/config/tuning.h"
#include "kaem/core/table.h"

namespace kaem {
namespace {

/// The data set that a file in config/ is for.
std::string dataset_of(const std::string& file) {
  std::string name = file.substr(0, file.find("_config"));
  if (name.starts_with("baseline_")) name = name.substr(9);
  const std::vector<std::pair<std::string, std::string>> names = {{"nist", "MNIST"},
                                                                  {"nist_tuning", "FMNIST"},
                                                                  {"svhn", "SVHN"},
                                                                  {"svhn_tuning", "SVHN"},
                                                                  {"svhn_pang", "SVHNPANG"},
                                                                  {"cifar", "CIFAR10"},
                                                                  {"cifar_pang", "CIFAR10PANG"},
                                                                  {"celeba", "CELEBA"},
                                                                  {"celeba_tuning", "CELEBA"},
                                                                  {"celeba_pang", "CELEBAPANG"},
                                                                  {"folder", "FOLDER"},
                                                                  {"darcy_flow", "DARCY_FLOW"},
                                                                  {"darcy_perm", "DARCY_PERM"},
                                                                  {"text", "PTB"}};
  for (const auto& [stem, dataset] : names)
    if (stem == name) return dataset;
  ADD_FAILURE() << file << ": for which data set is it?";
  return "MNIST";
}

TEST(Files, AllOfConfigLoadInTheModesThatTheyAreFor) {
  int64_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator("config")) {
    if (entry.path().extension() != ".ini") continue;
    SCOPED_TRACE(entry.path().string());
    const std::string file = entry.path().filename().string(), dataset = dataset_of(file);
    const bool search = file.find("_tuning") != std::string::npos, baseline = file.starts_with("baseline");
    if (baseline) {
      EXPECT_NE(refusal([&] { load_config(entry.path().string(), {}, dataset, "vanilla"); }).find("a baseline's file"),
                std::string::npos);
    }
    const std::vector<std::string> own = {"", "vanilla", "thermo", "variational"};
    const std::vector<std::string> of_baselines = {"baseline-vae", "baseline-pang", "baseline-ddpm", "baseline-gan"};
    for (const std::string& mode : baseline ? of_baselines : own) {
      const Config c = load_config(entry.path().string(), {}, dataset, mode);
      EXPECT_EQ(to_ini(parse_config(to_ini(c), "again.ini")), to_ini(c));
      EXPECT_GE(c.run.epochs * (c.data.train_size / c.run.batch_size), 500);
      for (const auto& note : c.notes) {
        const bool known =
            note.find("mode " + c.run.mode) != std::string::npos || (search && note.starts_with("without effect here"));
        EXPECT_TRUE(known) << note;
      }
    }
    EXPECT_EQ(default_config_path(dataset, baseline ? "baseline-gan" : "", search), entry.path().string());
    if (baseline) {
      ++files;
      continue;
    }
    const Search s = load_search(entry.path().string(), {}, load_config(entry.path().string(), {}, dataset, ""));
    if (search) {
      EXPECT_TRUE(s.notes.empty());
    }
    ++files;
  }
  EXPECT_GE(files, 15);
}

class Reference : public ::testing::TestWithParam<size_t> {};

/// Each line of the jobs files in config/ is a configuration, and so are those of jobs.txt.
TEST(Files, AllJobsLoad) {
  std::vector<std::filesystem::path> files = {"jobs.txt"};
  for (const auto& entry : std::filesystem::directory_iterator("config/jobs")) files.push_back(entry.path());
  ASSERT_GE(files.size(), 4U);
  for (const auto& file : files) {
    std::ifstream stream(file);
    const std::string text{std::istreambuf_iterator<char>(stream), {}};
    const JobList list = read_jobs(text, file.string());
    EXPECT_TRUE(list.faults.empty()) << list.faults.front();
    EXPECT_FALSE(list.jobs.empty()) << file;
    for (const auto& job : list.jobs) {
      SCOPED_TRACE(file.string() + ":" + std::to_string(job.line));
      std::vector<Override> overrides;
      for (const auto& [key, value] : job.values)
        if (key.find('.') != std::string::npos) overrides.push_back(parse_override(key + "=" + value));
      const bool search = job.mode == "tune";
      const std::string named = job.value("config"),
                        path = named.empty() ? default_config_path(job.dataset, job.mode, search) : named;
      const Config config = load_config(path, overrides, job.dataset, search ? "" : job.mode);
      EXPECT_TRUE(search || config.run.mode == job.mode);
    }
  }
}

TEST_P(Reference, FilesInEveryFormGiveTheSameConfiguration) {
  const std::string plain = file_of(GetParam(), true), other = file_of(GetParam(), false);
  const Config a = parse_config(plain, "plain.ini"), b = parse_config(other, "other.ini");
  EXPECT_EQ(to_ini(a), to_ini(b));
  for (const auto& row : kRows) EXPECT_EQ(row.values.size(), kColumns) << row.key;
  // Every value arrived: the resolved text holds it under its name, unless the mode or a mapping replaced it.
  const auto& values = kRows[0].values;
  EXPECT_NE(to_ini(a).find("\nlayer_widths = " + values[GetParam()] + "\n"), std::string::npos);
  for (const std::string mode : {"vanilla", "thermo", "variational"}) {
    const auto load = [&](const std::string& text) {
      const std::string path = testing::TempDir() + "kaem_files_" + std::to_string(::getpid()) + ".ini";
      std::ofstream(path, std::ios::binary) << text;
      const Config c = load_config(path, {}, "FMNIST", mode);
      std::filesystem::remove(path);
      return c;
    };
    EXPECT_EQ(to_ini(load(plain)), to_ini(load(other))) << mode;
  }
}

INSTANTIATE_TEST_SUITE_P(Columns, Reference, ::testing::Range<size_t>(0, kColumns));

/// Values of a written configuration by "SECTION.key".
std::map<std::string, std::string> values_of(const Config& config) {
  std::map<std::string, std::string> values;
  std::istringstream lines(to_ini(config));
  std::string line, section;
  while (std::getline(lines, line)) {
    if (line.starts_with('[')) section = line.substr(1, line.find(']') - 1);
    if (const size_t at = line.find(" = "); at != std::string::npos)
      values[section + "." + line.substr(0, at)] = line.substr(at + 3);
  }
  return values;
}

/// True if both texts are the same word or the same numbers.
bool same_value(const std::string& a, const std::string& b) {
  std::istringstream left(a), right(b);
  std::string x, y;
  while (true) {
    const bool more = static_cast<bool>(std::getline(left, x, ',')),
               others = static_cast<bool>(std::getline(right, y, ','));
    if (!more || !others) return more == others;
    char *end_x = nullptr, *end_y = nullptr;
    const double p = std::strtod(x.c_str(), &end_x), q = std::strtod(y.c_str(), &end_y);
    const bool numbers = end_x != x.c_str() && *end_x == 0 && end_y != y.c_str() && *end_y == 0;
    if (numbers ? p != q : !same_name(x, y)) return false;
  }
}

TEST_P(Reference, EveryValueIsTakenAsItStandsOrNamedInANote) {
  const Config config = parse_config(file_of(GetParam(), true), "f.ini");
  const auto values = values_of(config);
  int64_t taken = 0, named = 0;
  for (const auto& row : kRows) {
    const std::string& value = row.values[GetParam()];
    if (value == "-") continue;
    const std::string key = row.key == "hidden_feature_dims" && row.section == "Encoder" ? "channels" : row.key;
    const auto found = values.find(row.section + "." + key);
    if (found != values.end() && same_value(found->second, value)) {
      ++taken;
      continue;
    }
    EXPECT_TRUE(noted(config, row.key) || noted(config, "[" + row.section + "]"))
        << "[" << row.section << "] " << row.key << " = " << value << " became "
        << (found == values.end() ? "nothing" : found->second) << " without a word";
    ++named;
  }
  EXPECT_GT(taken, 2 * named);
}

TEST(Files, ValuesOfTheReferencesFilesArrive) {
  const Config svhn = parse_config(file_of(1, false), "svhn.ini");
  EXPECT_TRUE(svhn.model.prior.mixture.enabled && svhn.model.generator.cnn.use &&
              svhn.model.prior.basis.grid_trainable);
  EXPECT_EQ(svhn.model.prior.basis.kind, "Morlet");
  EXPECT_EQ(svhn.model.prior.mixture.lambda_reg, 1e-4);
  EXPECT_EQ(svhn.posterior.sampler, "ula");
  EXPECT_EQ(svhn.posterior.tempering.levels, 10);
  EXPECT_EQ(svhn.run.mode, "thermo");
  EXPECT_EQ(svhn.optimizer.prior_learning_rate, 2e-5);
  EXPECT_EQ(svhn.optimizer.weight_decay, 0);
  EXPECT_TRUE(noted(svhn, "[OPTIMIZER] decay = 0.1 is ignored: adam has no weight decay"));
  EXPECT_TRUE(noted(svhn, "π_0 = gaussian lies on grid_range = -1,1; the reference's on -1.2,1.2"));
  EXPECT_EQ(svhn.model.prior.basis.tau, 10) << "a frequency, as there";
  EXPECT_EQ(svhn.posterior.encoder.activation, "gelu");
  EXPECT_EQ(svhn.objective.beta.beta, 0.01);
  EXPECT_EQ(svhn.schedule.milestones, (std::vector<int64_t>{100, 200}));
  const Config perm = parse_config(file_of(4, false), "perm.ini");
  EXPECT_EQ(perm.optimizer.type, "adam");
  EXPECT_EQ(perm.run.checkpoint_epochs, -1);
  EXPECT_EQ(perm.posterior.unadjusted, 1);
  EXPECT_EQ(perm.posterior.change_rate, 2);
  EXPECT_TRUE(noted(perm, "type = l-bfgs is taken as adam"));
  EXPECT_TRUE(noted(perm, "layer_norm = true is ignored") || noted(perm, "layernorm = true is ignored"));
  EXPECT_TRUE(noted(perm, "without effect here"));
}

TEST(Files, OldAndNewSpellingsThatContradictEachOtherAreNamed) {
  const auto clash = [](const std::string& text) { return refused(text); };
  EXPECT_EQ(clash("[MixtureModel]\nuse_mixture_prior = true\n[EbmModel]\nmixture_model = false\n"),
            "f.ini:4: [MixtureModel] mixture_model = false: line 2 says use_mixture_prior = true");
  EXPECT_NE(
      clash("[POST_LANGEVIN]\nsampler = importance\nuse_langevin = true\n").find("line 2 says sampler = importance"),
      std::string::npos);
  EXPECT_NE(clash("[EbmModel]\nπ_0 = ebm\npi_0 = gaussian\n").find("line 2 says π_0 = ebm"), std::string::npos);
  EXPECT_NE(
      clash("[OPTIMIZER]\nlearning_rate = 1e-3\ngen_learning_rate = 1e-4\n").find("line 2 says learning_rate = 1e-3"),
      std::string::npos);
  EXPECT_NO_THROW(parse_config("[POST_LANGEVIN]\nsampler = ula\nuse_langevin = true\n", "f.ini"));
}

TEST(Files, AFileOfOtherDataIsNoted) {
  const auto notes = [](const std::string& file, const std::string& dataset) {
    std::string all;
    for (const auto& note : load_config(file, {}, dataset, "vanilla").notes) all += note + "\n";
    return all;
  };
  EXPECT_NE(
      notes("config/nist_config.ini", "DARCY_FLOW")
          .find("config/nist_config.ini is the file of MNIST, FMNIST; that of DARCY_FLOW is darcy_flow_config.ini"),
      std::string::npos);
  for (const char* dataset : {"MNIST", "FMNIST", "fmnist"})
    EXPECT_EQ(notes("config/nist_config.ini", dataset).find("is the file of"), std::string::npos) << dataset;
  EXPECT_EQ(notes("config/bench/mnist.ini", "SVHN").find("is the file of"), std::string::npos);
}

}  // namespace
}  // namespace kaem
