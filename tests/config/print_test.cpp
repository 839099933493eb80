#include <algorithm>
#include <cmath>
#include <fstream>
#include <iterator>
#include <random>
#include <variant>

#include "config/support.h"
#include "kaem/config/visit.h"
#include "kaem/train/optimizer.h"

namespace kaem {
namespace {

using Value = std::variant<bool, int64_t, uint64_t, double, std::string, std::vector<int64_t>, std::vector<double>>;

/// All values of a configuration, by SECTION.key.
struct Values {
  std::string name;
  std::vector<std::pair<std::string, Value>> list;
  void section(std::string_view section, std::string_view) { name = section; }
  template <class T>
  void operator()(const Key& key, T& field) {
    list.emplace_back(name + "." + std::string(key.name), field);
  }
};

auto values_of(Config& config) {
  Values values;
  Config::visit(config, values);
  return values.list;
}

/// Sets every field to a random value that its key allows.
struct Scrambler {
  std::mt19937_64& random;
  void section(std::string_view, std::string_view) {}
  bool coin() { return random() % 2 == 0; }

  int64_t integer(const Key& key) {
    const double low = std::isfinite(key.min) ? key.min : -1000, high = std::isfinite(key.max) ? key.max : low + 1e9;
    return static_cast<int64_t>(low) + static_cast<int64_t>(random() % static_cast<uint64_t>(high - low + 1));
  }
  double real(const Key& key) {
    const double u = static_cast<double>(random() >> 11) * 0x1p-53;
    if (std::isfinite(key.min) && std::isfinite(key.max)) return key.min + (key.max - key.min) * u;
    return (std::isfinite(key.min) ? key.min : 0) + std::pow(10.0, 12 * u - 6);
  }
  void operator()(const Key&, bool& field) { field = coin(); }
  void operator()(const Key& key, int64_t& field) { field = integer(key); }
  void operator()(const Key& key, uint64_t& field) { field = static_cast<uint64_t>(integer(key)); }
  void operator()(const Key& key, double& field) { field = real(key); }
  void operator()(const Key& key, std::string& field) {
    if (!key.choices.empty()) field = key.choices[random() % key.choices.size()];
  }
  void operator()(const Key& key, std::vector<int64_t>& field) {
    field.resize(1 + random() % 4);
    for (auto& item : field) item = integer(key);
  }
  void operator()(const Key& key, std::vector<double>& field) {
    field.resize(2);
    for (auto& item : field) item = real(key) * 0.999;
  }
};

void make_valid(BasisOptions& basis, std::mt19937_64& random) {
  if (basis.kind == "Wavelet") basis.kind = "DoG";
  basis.degree %= 10;
  basis.grid_range = {-1.0 / static_cast<double>(1 + random() % 97), 1.0 / static_cast<double>(3 + random() % 97)};
}

/// A random configuration that passes the checks across keys.
Config random_config(std::mt19937_64& random) {
  Config c;
  Scrambler scrambler{random};
  Config::visit(c, scrambler);
  if (c.model.prior.reference == "kl_gaussian") c.model.prior.reference = "lognormal";
  make_valid(c.model.prior.basis, random);
  make_valid(c.model.generator.basis, random);
  c.model.generator.basis.ridge = c.model.prior.basis.ridge;
  c.model.prior.layer_widths.resize(2, 5);
  c.model.prior.mixture.train_proportions &= !c.model.prior.mixture.use_attention_kernel;
  c.model.generator.widths.front() = c.model.prior.layer_widths.back();
  c.model.generator.likelihood = scrambler.coin() ? "gaussian" : "bernoulli";
  if (c.model.generator.likelihood == "bernoulli") c.model.generator.output_activation = "sigmoid";
  c.model.generator.use_perceptual_loss = false;
  c.model.generator.cnn.init_spatial = 1 + static_cast<int64_t>(random() % 7);
  c.model.generator.seq.sequence_length = -1;  // no data set of text yet
  c.posterior.sampler = "importance";
  c.posterior.step_size_bounds = {1e-5, 0.1 + c.posterior.step_size_bounds.at(0)};
  if (c.posterior.chain_start == "base") c.posterior.chain_start = "persistent";
  c.posterior.encoder.activation = "gelu";
  c.posterior.tempering.levels = 0;
  c.objective.thermo_gradient = "mbar";
  c.run.mode = "vanilla", c.run.criterion = "auto", c.run.use_variational = false;
  c.run.dataset = c.data.name = "FMNIST";
  c.run.device = scrambler.coin() ? "cuda:3" : "cpu";
  c.data.train_size = std::min<int64_t>(c.data.train_size + c.run.batch_size, 1000000000);
  c.run.budget = scrambler.coin() ? "" : "1h30m";
  c.run.keep_best = "";
  for (auto* epochs : {&c.run.checkpoint_epochs, &c.run.sample_epochs, &c.run.eval_epochs})
    if (*epochs == 0) *epochs = -1;
  c.optimizer.rho *= 0.99, c.optimizer.ema_decay *= 0.99;
  if (c.optimizer.type != "adamw" && c.optimizer.type != "sgd") c.optimizer.weight_decay = 0;
  c.schedule.milestones = {3, 17, 1000000 + static_cast<int64_t>(random() % 1000)};
  c.data.resize =
      scrambler.coin() ? std::vector<int64_t>{} : std::vector<int64_t>{16, 1 + static_cast<int64_t>(random() % 64)};
  c.data.root = "/some folder/with = signs: and [brackets]/ünïcode";
  c.data.random_flip = scrambler.coin();
  c.data.leave_out = scrambler.coin() ? std::vector<int64_t>{} : std::vector<int64_t>{0, 4};
  c.data.darcy_file = scrambler.coin() ? "" : "fields;one#two.h5";
  if (c.data.use_pca) {  // what such a run is made of
    c.model.generator.cnn.use = c.model.generator.use_perceptual_loss = c.data.dequantize = c.data.random_flip = false;
    c.model.generator.likelihood = "gaussian", c.model.generator.output_activation = "identity";
    c.posterior.encoder.type = "diagonal";
  }
  return c;
}

/// Checks that no section has a spelling twice, and that all keys are explained.
struct Checker {
  std::vector<std::string> seen;
  std::string name;
  void section(std::string_view section, std::string_view help) {
    name = section;
    EXPECT_FALSE(help.empty());
  }
  void take(std::string_view spelling) {
    const std::string id = name + "." + std::string(spelling);
    EXPECT_EQ(std::count(seen.begin(), seen.end(), id), 0) << id;
    seen.push_back(id);
  }
  template <class T>
  void operator()(const Key& key, T&) {
    take(key.name);
    for (const auto& alias : key.aliases) take(alias);
    EXPECT_FALSE(key.help.empty()) << key.name;
    for (const char c : std::string(key.name)) EXPECT_NE(c, ' ');
  }
};

/// Finds the choices of [OPTIMIZER] type.
struct Finder {
  std::vector<std::string> choices;
  bool optimizer = false;
  void section(std::string_view section, std::string_view) { optimizer = section == "OPTIMIZER"; }
  template <class T>
  void operator()(const Key& key, T&) {
    if (optimizer && key.name == "type") choices = key.choices;
  }
};

TEST(Print, ResolvedFilesLoadToTheSameConfig) {
  std::mt19937_64 random(20);
  for (int i = 0; i < 300; ++i) {
    Config c = random_config(random);
    const std::string text = to_ini(c);
    ASSERT_EQ(text.rfind("; kaem config 1\n", 0), 0u);
    Config again = parse_config(text, "config.ini");
    const auto want = values_of(c), got = values_of(again);
    ASSERT_EQ(want.size(), got.size());
    const auto of_a_baseline = [](const std::string& id) {  // which mode vanilla does not read, nor write
      return id.starts_with("VAE.") || id.starts_with("PANG.") || id.starts_with("DDPM.") || id.starts_with("GAN.");
    };
    for (size_t k = 0; k < want.size(); ++k)
      ASSERT_TRUE(want[k] == got[k] || of_a_baseline(want[k].first)) << want[k].first << "\n" << text;
    EXPECT_EQ(again.data.name, c.data.name);
    EXPECT_EQ(again.model.generator.basis.ridge, c.model.generator.basis.ridge);
    EXPECT_TRUE(again.notes.empty()) << again.notes.front();
    ASSERT_EQ(to_ini(again), text);
  }
}

TEST(Print, HoldsWhatACommandLineChose) {
  const std::string text = to_ini(load_config("", {{"TRAINING", "seed", "7", "--seed 7"}}, "MNIST", "vanilla"));
  for (const char* line :
       {"\ndataset = MNIST\n", "\nmode = vanilla\n", "\nseed = 7\n", "\nimportance_sample_size = 100\n"})
    EXPECT_NE(text.find(line), std::string::npos) << line;
}

TEST(Print, EveryKeyHasAUniqueSpellingAndAHelpText) {
  Checker checker;
  Config c;
  Config::visit(c, checker);
  EXPECT_GT(checker.seen.size(), 80u);
}

TEST(Print, OptimisersAreThoseThatExist) {
  Finder finder;
  Config c;
  Config::visit(c, finder);
  auto names = optimizer_names();
  std::sort(names.begin(), names.end());
  std::sort(finder.choices.begin(), finder.choices.end());
  EXPECT_EQ(finder.choices, names);
}

TEST(Print, DocumentationIsUpToDate) {
  std::ifstream file("docs/configuration.md", std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  EXPECT_EQ(text, configuration_markdown())
      << "regenerate it: build/kaem train --help-config=markdown > docs/configuration.md";
}

TEST(Print, HelpNamesEveryKey) {
  const std::string help = configuration_help();
  Config c;
  for (const auto& [id, value] : values_of(c))
    EXPECT_NE(help.find("  " + id.substr(id.find('.') + 1)), std::string::npos) << id;
}

/// What `kaem help KEY` shows as an example is a setting that is accepted, for every key.
TEST(KeyHelp, ExamplesAreAccepted) {
  int64_t examples = 0;
  for (const std::string& name : key_names()) {
    if (name.find('.') == std::string::npos) continue;
    for (const KeyHelp& key : key_help(name)) {
      if (key.example.empty()) continue;
      ++examples;
      EXPECT_EQ(key.example.find_first_of("();\" "), std::string::npos) << name << ": " << key.example;
      const Override example = parse_override(str(key.section, ".", key.ascii, "=", key.example));
      EXPECT_NO_THROW(parse_config("", "empty.ini", {example})) << name << "=" << key.example;
    }
  }
  EXPECT_GT(examples, 200);
}

}  // namespace
}  // namespace kaem
