// The files of config/reference: the values that make the reference's model, written down a second time.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>

#include "config/support.h"

namespace kaem {
namespace {

/// A file, what it is for, and how many notes it prints without a mode and in each.
struct ReferenceFile {
  std::string stem;
  std::vector<std::string> datasets;
  std::string mode;  ///< its own: vanilla where num_temps is at most 1
  size_t notes = 0, vanilla = 0, thermo = 0, variational = 0;
};

/// In the order of the values in kReferenceValues. Every note tells that a mode replaces a value: the number of
/// temperatures, where the mode and the file disagree on it, and the sampler.
const std::vector<ReferenceFile> kReferenceFiles = {
    {"nist", {"MNIST", "FMNIST"}, "vanilla", 0, 0, 2, 1},  {"svhn", {"SVHN"}, "thermo", 0, 1, 0, 2},
    {"cifar", {"CIFAR10"}, "thermo", 0, 1, 0, 2},          {"celeba", {"CELEBA"}, "thermo", 0, 1, 0, 2},
    {"darcy_flow", {"DARCY_FLOW"}, "vanilla", 0, 0, 2, 1}, {"darcy_perm", {"DARCY_PERM"}, "thermo", 1, 1, 1, 2},
    {"text", {"PTB", "SMS_SPAM"}, "thermo", 0, 1, 0, 2},   {"svhn_pang", {"SVHNPANG"}, "thermo", 0, 1, 0, 2},
    {"cifar_pang", {"CIFAR10PANG"}, "thermo", 0, 1, 0, 2}, {"celeba_pang", {"CELEBAPANG"}, "thermo", 0, 1, 0, 2}};

std::string path_of(const ReferenceFile& file) { return "config/reference/" + file.stem + "_config.ini"; }

/// A key with its value in each file: "=" as in the file before, "-" without effect there, or kaem's own.
struct ReferenceValue {
  std::string section, key, values;
};

const std::vector<ReferenceValue> kReferenceValues = {
    {"EbmModel", "layer_widths", "40,81 = = = 50,101 80,161 100,201 100,200,200,1 = ="},
    {"EbmModel", "layernorm", "false = = = = = = = = ="},  // of perm's true: it has one layer
    {"EbmModel", "base_activation", "silu none = = relu silu = leakyrelu = ="},
    {"EbmModel", "spline_function", "RBF Morlet = = RBF = = = = ="},
    {"EbmModel", "grid_size", "20 1 = = 20 = = 10 = ="},
    {"EbmModel", "grid_update_ratio", "0.05 - - - 0.05 - - 0.05 = ="},
    {"EbmModel", "grid_range", "-1.2,1.2 = = = = - -1.2,1.2 -1,1 = ="},  // of a Gaussian prior, not what the file says
    {"EbmModel", "grid_trainable", "false - - - false = = = = ="},
    {"EbmModel", "ε_scale", "0.1 1 = = = 0.1 = 1 = ="},
    {"EbmModel", "μ_scale", "1 - - - 1 = = = = ="},
    {"EbmModel", "σ_base", "1 - - - 1 = = = = ="},
    {"EbmModel", "σ_spline", "1 = = = = = = = = ="},
    {"EbmModel", "init_τ", "1 12 = = 1 = = = = ="},  // 10, over a scale that starts at 1.2
    {"EbmModel", "τ_trainable", "true = = = = = = = = ="},
    {"EbmModel", "π_0", "ebm gaussian = = = lognormal ebm = = ="},
    {"EbmModel", "GaussQuad_nodes", "200 = = = 50 100 = - - -"},
    {"MixtureModel", "use_mixture_prior", "false true = = false = = = = ="},
    {"MixtureModel", "λ_reg", "0 = = = = = = = = ="},  // of 1e-4 without effect
    {"MixtureModel", "use_attention_kernel", "false = = = = = = = = ="},
    {"MixtureModel", "train_proportions", "false = = = = = = = = ="},
    {"GeneratorModel", "widths", "81,162 - - - 101,203 161,322 - - - -"},
    {"GeneratorModel", "layernorm", "false = = = = true false = = ="},
    {"GeneratorModel", "base_activation", "silu - - - relu silu - - - -"},
    {"GeneratorModel", "spline_function", "RBF - - - RBF = - - - -"},
    {"GeneratorModel", "grid_size", "20 - - - 20 = - - - -"},
    {"GeneratorModel", "grid_update_ratio", "0.05 - - - 0.05 = - - - -"},
    {"GeneratorModel", "grid_range", "-1.2,1.2 - - - -1.2,1.2 -1,1 - - - -"},
    {"GeneratorModel", "grid_trainable", "false - - - false = - - - -"},
    {"GeneratorModel", "ε_scale", "0.1 - - - 0.1 = - - - -"},
    {"GeneratorModel", "μ_scale", "1 - - - 1 = - - - -"},
    {"GeneratorModel", "σ_base", "1 - - - 1 = - - - -"},
    {"GeneratorModel", "σ_spline", "1 - - - 1 = - - - -"},
    {"GeneratorModel", "init_τ", "1 - - - 1 = - - - -"},
    {"GeneratorModel", "τ_trainable", "true - - - true = - - - -"},
    {"GeneratorModel", "generator_variance", "0.3 = = = 0.1 1 - 0.3 = ="},
    {"GeneratorModel", "generator_noise", "0.01 0 = = 0.1 0 0.1 0.01 = ="},
    {"GeneratorModel", "output_activation", "sigmoid = = = = = = = = ="},
    {"GeneratorModel", "resampler", "residual = = = = = = = = ="},
    {"GeneratorModel", "variance_trainable", "false = = = = = = = = ="},
    {"CNN", "use_cnn_lkhood", "false true = = false = = true = ="},
    {"CNN", "hidden_feature_dims", "- 128,64,32 256,128,64 256,128,64,32 - - - 512,256,128 = 512,256,128,64"},
    {"CNN", "strides", "- 2,2,2,2 = 2,2,2,2,2 - - - 1,2,2,2 1,2,2,1 1,2,2,2,2"},
    {"CNN", "kernel_sizes", "- 4,4,4,4 = 4,4,4,4,4 - - - 4,4,4,4 8,4,4,3 4,4,4,4,4"},
    {"CNN", "paddings", "- 1,1,1,1 = 1,1,1,1,1 - - - 0,1,1,1 = 0,1,1,1,1"},
    {"CNN", "activation", "- leakyrelu = = - - - leakyrelu = ="},
    {"CNN", "leakyrelu_slope", "- 0.01 = = - - - 0.01 = ="},
    {"CNN", "batchnorm", "- false = = - - - false = ="},
    {"CNN", "latent_concat", "- false = = - - - false = ="},
    {"CNN", "residual_connections", "- false = = - - - false = ="},
    {"CNN", "projection", "- true = = - - - false = ="},
    {"CNN", "init_spatial", "- 2 = = - - - - - -"},
    {"SEQ", "sequence_length", "-1 = = = = = 500 -1 = ="},
    {"SEQ", "vocab_size", "- - - - - - 500 - - -"},
    {"SEQ", "d_model", "- - - - - - 512 - - -"},
    {"SEQ", "activation", "- - - - - - relu - - -"},
    {"SEQ", "autoregressive", "- - - - - - false - - -"},
    {"MIXED_PRECISION", "reduced_precision", "FP32 = = = = = = = = ="},
    {"GRID_UPDATING", "update_prior_grid", "true - - - true false - true = ="},
    {"GRID_UPDATING", "update_llhood_grid", "true - - - true false - false = ="},
    {"GRID_UPDATING", "num_grid_updating_samples", "0 = = = = = = = = ="},
    {"GRID_UPDATING", "grid_update_frequency", "50 - - - 100 - - 100 = ="},
    {"GRID_UPDATING", "grid_update_decay", "0.9999 - - - 0.999 - - 0.9999 = ="},
    {"PRIOR_LANGEVIN", "step_size", "- - - - - - - 0.1 0.16 ="},
    {"PRIOR_LANGEVIN", "iters", "- - - - - - - 60 = ="},
    {"POST_LANGEVIN", "sampler", "importance ula = = importance = ula = = ="},
    {"POST_LANGEVIN", "ula_η", "0.001 0.01 = = 0.005 0.01 0.005 0.001 = ="},
    {"POST_LANGEVIN", "pcnl_δ", "- 0.01 = = = - - - - -"},
    {"POST_LANGEVIN", "iters", "40 = = = = 25 = 40 = ="},
    {"POST_LANGEVIN", "chains_per_datum", "1 = = = = = = = = ="},
    {"POST_LANGEVIN", "chain_start", "prior = = = = = = = = ="},
    {"THERMODYNAMIC_INTEGRATION", "num_temps", "0 10 = = 0 5 = 10 = ="},
    {"THERMODYNAMIC_INTEGRATION", "p_start", "10 2 = = 10 4 10 0.8 = ="},
    {"THERMODYNAMIC_INTEGRATION", "p_end", "8 0.5 = = 8 0.25 8 4 = ="},
    {"THERMODYNAMIC_INTEGRATION", "num_cycles", "0 = = = 4 = 0 = = ="},
    {"THERMODYNAMIC_INTEGRATION", "N_langevin_per_temp", "40 = = = = 5 = 40 = ="},
    {"THERMODYNAMIC_INTEGRATION", "exchange_type", "- deo = = none - - - - -"},
    {"VARIATIONAL", "beta", "- 0.01 = = 1 - - - - -"},
    {"VARIATIONAL", "num_cycles", "- 2 = = 4 - - - - -"},
    {"VARIATIONAL", "cycle_length", "- 4000 = = 100 - - - - -"},
    {"VARIATIONAL", "annealing_fraction", "- 0.5 = = = - - - - -"},
    {"Encoder", "type", "- cnn = = diagonal - - - - -"},
    {"Encoder", "widths", "- 256,128 = = = - - - - -"},
    {"Encoder", "channels", "- 64,128,256 = 32,64,128,256 - - - - - -"},
    {"Encoder", "strides", "- 2,2,2 = 2,2,2,2 - - - - - -"},
    {"Encoder", "kernel_sizes", "- 4,4,4 = 4,4,4,4 - - - - - -"},
    {"Encoder", "paddings", "- 1,1,1 = 1,1,1,1 - - - - - -"},
    {"Encoder", "batchnorm", "- false = = - - - - - -"},
    {"Encoder", "activation", "- gelu = = = - - - - -"},
    {"SYMBOLIC_REG", "regularize_prior", "false = = = = = = = = ="},
    {"SYMBOLIC_REG", "regularize_gen", "false = = = = = = = = ="},
    {"TRAINING", "device", "auto = = = = = = = = ="},
    {"TRAINING", "N_train", "50000 40000 = = 8000 1000 50000 20000 = ="},
    {"TRAINING", "N_test", "100 = = = 2000 1000 100 = = ="},
    {"TRAINING", "batch_size", "100 50 = = 100 = 50 = = ="},
    {"TRAINING", "importance_sample_size", "100 50 = = 100 = 50 = = ="},
    {"TRAINING", "N_epochs", "20 100 = = 2000 200 50 = 100 50"},
    {"TRAINING", "contrastive_divergence_training", "true = = = = = = - - -"},
    {"TRAINING", "resampling_threshold_factor", "0.5 = = = = = = = = ="},
    {"TRAINING", "use_perceptual_loss", "false = = = = = = = = ="},
    {"TRAINING", "eps", "0.0001 - - - 0.01 0.001 0.0001 = = ="},
    {"TRAINING", "update_grid", "true false = = true - false true = ="},
    {"TRAINING", "checkpoint_every", "5 -1 = = = = 10 = = ="},
    {"TRAINING", "gen_every", "2 10 = = 200 -1 1 5 = ="},
    {"TRAINING", "verbose", "true = = = = = = = = ="},
    {"OPTIMIZER", "type", "nesterov adam = = = = nesterov adam = ="},
    {"OPTIMIZER", "learning_rate", "0.0005 0.0001 = = 0.001 = 0.0002 0.0001 = ="},
    {"OPTIMIZER", "ebm_learning_rate", "- 0.00002 = = 0.001 - - - - -"},
    {"OPTIMIZER", "betas", "- 0.9,0.999 = = = = - 0.9,0.999 = ="},
    {"OPTIMIZER", "decay", "0 = = = = = = = = ="},  // of 0.1 and 0.9 without effect
    {"OPTIMIZER", "ρ", "0.9 - - - - - 0.9 - - -"},
    {"OPTIMIZER", "ε", "- 0.00000008 = = = 0.00000001 - 0.00000001 = ="},
    {"LR_SCHEDULE", "decay", "1 = = = = = = = = ="},
    {"PCA", "use_pca", "false = = = = = = = = ="},
};

/// The column of kReferenceValues that is a file's, as an INI file of ours.
std::string expected_text(size_t column) {
  std::string text = "; kaem config 1\n", section;
  for (const ReferenceValue& row : kReferenceValues) {
    std::istringstream words(row.values);
    std::string value, word;
    for (size_t i = 0; i <= column; ++i)
      if (words >> word && word != "=") value = word;
    if (value == "-") continue;
    if (row.section != section) text += "[" + row.section + "]\n";
    section = row.section;
    text += row.key + " = " + value + "\n";
  }
  return text;
}

TEST(ReferenceFiles, AreThoseOfTheReferenceAndSayHowToUseThem) {
  std::vector<std::string> found, known;
  for (const auto& entry : std::filesystem::directory_iterator("config/reference"))
    found.push_back(entry.path().string());
  for (const ReferenceFile& file : kReferenceFiles) known.push_back(path_of(file));
  std::sort(found.begin(), found.end()), std::sort(known.begin(), known.end());
  EXPECT_EQ(found, known);
  for (const ReferenceFile& file : kReferenceFiles) {
    std::ifstream stream(path_of(file), std::ios::binary);
    const std::string text(std::istreambuf_iterator<char>(stream), {});
    EXPECT_TRUE(text.starts_with("; kaem config 1\n")) << path_of(file);
    EXPECT_NE(text.find("\n; kaem train --dataset " + file.datasets[0] + " --config " + path_of(file) + "\n"),
              std::string::npos)
        << path_of(file);
  }
}

TEST(ReferenceFiles, HaveTheReferencesValuesAndNoOthers) {
  for (const ReferenceValue& row : kReferenceValues) {
    std::istringstream words(row.values);
    const auto count = std::distance(std::istream_iterator<std::string>(words), {});
    ASSERT_EQ(count, static_cast<std::ptrdiff_t>(kReferenceFiles.size())) << row.section << "." << row.key;
  }
  for (size_t i = 0; i < kReferenceFiles.size(); ++i)
    for (const std::string& dataset : kReferenceFiles[i].datasets) {
      SCOPED_TRACE(path_of(kReferenceFiles[i]));
      const Config c = load_config(path_of(kReferenceFiles[i]), {}, dataset, "");
      EXPECT_EQ(to_ini(c), to_ini(parse_config(expected_text(i), "expected.ini", {}, dataset, "")));
      EXPECT_EQ(c.run.mode, kReferenceFiles[i].mode);
    }
}

TEST(ReferenceFiles, LoadInEveryModeWithNotesOfTheModeAlone) {
  for (const ReferenceFile& file : kReferenceFiles) {
    const std::vector<std::pair<std::string, size_t>> modes = {
        {"", file.notes}, {"vanilla", file.vanilla}, {"thermo", file.thermo}, {"variational", file.variational}};
    for (const std::string& dataset : file.datasets)
      for (const auto& [mode, notes] : modes) {
        SCOPED_TRACE(path_of(file) + " " + mode);
        const Config c = load_config(path_of(file), {}, dataset, mode);
        EXPECT_EQ(c.notes.size(), notes);
        for (const auto& note : c.notes)
          EXPECT_TRUE(note.find("num_temps") != std::string::npos || note.find("sampler") != std::string::npos) << note;
        EXPECT_EQ(to_ini(parse_config(to_ini(c), "again.ini")), to_ini(c));
      }
  }
}

TEST(ReferenceFiles, ValuesReachTheModel) {
  const Config nist = load_config(path_of(kReferenceFiles[0]), {}, "FMNIST", "vanilla");
  EXPECT_EQ(nist.posterior.sampler, "importance");
  EXPECT_EQ(nist.posterior.samples, 100);
  EXPECT_EQ(nist.optimizer.type, "nesterov");
  EXPECT_EQ(nist.optimizer.rho, 0.9);
  EXPECT_TRUE(nist.model.prior.contrastive_divergence);
  EXPECT_EQ(nist.model.generator.basis.ridge, 1e-4);
  const Config svhn = load_config(path_of(kReferenceFiles[1]), {}, "SVHN", "thermo");
  EXPECT_TRUE(svhn.model.prior.mixture.enabled && svhn.model.generator.cnn.use);
  EXPECT_EQ(svhn.model.prior.basis.kind, "Morlet");
  const auto& range = svhn.model.prior.basis.grid_range;
  EXPECT_NEAR(svhn.model.prior.basis.tau / (0.5 * (range.at(1) - range.at(0))), 10, 1e-12) << "the reference's τ";
  EXPECT_EQ(svhn.posterior.tempering.levels, 10);
  EXPECT_EQ(svhn.posterior.tempering.iters, 40);
  EXPECT_EQ(svhn.optimizer.prior_learning_rate, 2e-5);
  EXPECT_FALSE(svhn.grid.enabled);
  const Config perm = load_config(path_of(kReferenceFiles[5]), {}, "DARCY_PERM", "vanilla");
  EXPECT_EQ(perm.posterior.sampler, "importance");
  EXPECT_TRUE(perm.model.generator.layernorm);
  EXPECT_EQ(perm.run.checkpoint_epochs, -1);
  const Config text = load_config(path_of(kReferenceFiles[6]), {}, "PTB", "");
  EXPECT_EQ(text.data.sequence_length, 500);
  EXPECT_EQ(text.model.generator.likelihood, "categorical");
  const Config pang = load_config(path_of(kReferenceFiles[8]), {}, "CIFAR10PANG", "");
  EXPECT_TRUE(pang.model.prior.is_deep());
  EXPECT_EQ(pang.model.generator.cnn.kernels, (std::vector<int64_t>{8, 4, 4, 3}));
}

}  // namespace
}  // namespace kaem
