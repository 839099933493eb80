// Files of the reference's making: those of config/, and every spelling that its versions have used.
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "config/support.h"
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
      ++files;
      continue;
    }
    for (const std::string mode : {"", "vanilla", "thermo", "variational"}) {
      const Config c = load_config(entry.path().string(), {}, dataset, mode);
      EXPECT_EQ(to_ini(parse_config(to_ini(c), "again.ini")), to_ini(c));
      EXPECT_GE(c.run.epochs * (c.data.train_size / c.run.batch_size), 500);
      for (const auto& note : c.notes) {
        const bool known =
            note.find("mode " + c.run.mode) != std::string::npos || (search && note.starts_with("without effect here"));
        EXPECT_TRUE(known) << note;
      }
    }
    EXPECT_EQ(default_config_path(dataset, search), entry.path().string());
    const Search s = load_search(entry.path().string(), {}, load_config(entry.path().string(), {}, dataset, ""));
    if (search) {
      EXPECT_TRUE(s.notes.empty());
    }
    ++files;
  }
  EXPECT_GE(files, 15);
}

/// A key as the newest files spell it and as older ones or ASCII keyboards do, with the values of the reference's files
/// for nist, svhn, celeba, darcy and perm ("-": absent).
struct Row {
  std::string section, key, other_section, other_key;
  std::vector<std::string> values;
};
constexpr size_t kColumns = 5;

const std::vector<Row> kRows = {
    {"EbmModel", "layer_widths", "ebmmodel", "layer_widths", {"40,81", "40,81", "40,81", "50,101", "80,161"}},
    {"EbmModel", "spline_degree", "EBMMODEL", "spline_degree", {"3", "5", "5", "3", "3"}},
    {"EbmModel", "layernorm", "EbmModel", "layer_norm", {"false", "false", "false", "false", "true"}},
    {"EbmModel", "base_activation", "EbmModel", "base_activation", {"silu", "none", "none", "relu", "silu"}},
    {"EbmModel", "spline_function", "EbmModel", "spline_function", {"RBF", "Wavelet", "Wavelet", "RBF", "RBF"}},
    {"EbmModel", "wavelet_type", "EbmModel", "wavelet_type", {"-", "Morlet", "Morlet", "Morlet", "-"}},
    {"EbmModel", "grid_size", "EbmModel", "grid_size", {"20", "1", "1", "20", "20"}},
    {"EbmModel", "grid_update_ratio", "EbmModel", "grid_update_ratio", {"0.05", "0.05", "0.05", "0.05", "0.05"}},
    {"EbmModel", "grid_range", "EbmModel", "grid_range", {"-1.2,1.2", "-1,1", "-1,1", "-1.2,1.2", "0,1"}},
    {"EbmModel", "grid_trainable", "EbmModel", "grid_trainable", {"-", "true", "true", "false", "-"}},
    {"EbmModel", "ε_scale", "EbmModel", "eps_scale", {"0.1", "1", "1", "1", "0.1"}},
    {"EbmModel", "μ_scale", "EbmModel", "mu_scale", {"1", "1.0", "1", "1", "1"}},
    {"EbmModel", "σ_base", "EbmModel", "sigma_base", {"1", "1", "1", "1", "1"}},
    {"EbmModel", "σ_spline", "EbmModel", "sigma_spline", {"1", "1", "1", "1", "1"}},
    {"EbmModel", "init_τ", "EbmModel", "init_tau", {"1", "10", "10", "1", "1"}},
    {"EbmModel", "τ_trainable", "EbmModel", "tau_trainable", {"true", "true", "true", "true", "true"}},
    {"EbmModel", "π_0", "EbmModel", "pi_0", {"ebm", "gaussian", "gaussian", "kl_gaussian", "lognormal"}},
    {"EbmModel", "GaussQuad_nodes", "EbmModel", "GaussQuad_nodes", {"200", "200", "200", "50", "100"}},
    {"EbmModel",
     "quadrature_method",
     "EbmModel",
     "quadrature_method",
     {"-", "gausslegendre", "-", "-", "gausslegendre"}},
    {"MixtureModel", "use_mixture_prior", "EbmModel", "mixture_model", {"false", "true", "true", "false", "false"}},
    {"MixtureModel", "λ_reg", "EbmModel", "lambda_reg", {"0.0", "1e-4", "1e-4", "0", "0"}},
    {"MixtureModel",
     "use_attention_kernel",
     "MixtureModel",
     "use_attention_kernel",
     {"false", "false", "false", "false", "false"}},
    {"MixtureModel",
     "train_proportions",
     "MixtureModel",
     "train_proportions",
     {"false", "false", "true", "false", "false"}},
    {"GeneratorModel",
     "widths",
     "GeneratorModel",
     "layer_widths",
     {"81,162", "81,162", "81,162", "101,203", "161,322"}},
    {"GeneratorModel",
     "base_activation",
     "generatormodel",
     "base_activation",
     {"silu", "gelu", "gelu", "relu", "silu"}},
    {"GeneratorModel",
     "grid_range",
     "GeneratorModel",
     "grid_range",
     {"-1.2,1.2", "-1.5,1.5", "-1.5,1.5", "-1.2,1.2", "-1,1"}},
    {"GeneratorModel", "generator_variance", "GeneratorModel", "generator_variance", {"0.3", "0.3", "0.3", "0.1", "1"}},
    {"GeneratorModel", "generator_noise", "GeneratorModel", "generator_noise", {"0.01", "0.0", "0.0", "0.1", "0"}},
    {"GeneratorModel",
     "output_activation",
     "GeneratorModel",
     "output_activation",
     {"sigmoid", "sigmoid", "sigmoid", "sigmoid", "sigmoid"}},
    {"GeneratorModel",
     "resampler",
     "GeneratorModel",
     "resampler",
     {"residual", "residual", "residual", "residual", "residual"}},
    {"GeneratorModel", "perceptual_scale", "GeneratorModel", "perceptual_scale", {"1e-4", "1e-4", "1e-4", "1e-4", "-"}},
    {"GRID_UPDATING",
     "update_prior_grid",
     "Grid_Updating",
     "update_prior_grid",
     {"true", "false", "false", "true", "false"}},
    {"GRID_UPDATING",
     "update_llhood_grid",
     "GRID_UPDATING",
     "update_llhood_grid",
     {"true", "false", "false", "true", "false"}},
    {"GRID_UPDATING",
     "num_grid_updating_samples",
     "GRID_UPDATING",
     "num_grid_updating_samples",
     {"-", "-", "-", "100", "100"}},
    {"GRID_UPDATING",
     "grid_update_frequency",
     "GRID_UPDATING",
     "grid_update_frequency",
     {"50", "100", "100", "100", "100"}},
    {"GRID_UPDATING",
     "grid_update_decay",
     "GRID_UPDATING",
     "grid_update_decay",
     {"0.9999", "0.999", "0.999", "0.999", "0.999"}},
    {"PRIOR_LANGEVIN", "step_size", "PRIOR_LANGEVIN", "step_size", {"0.16", "0.16", "0.16", "0.16", "-"}},
    {"PRIOR_LANGEVIN", "iters", "PRIOR_LANGEVIN", "iters", {"60", "60", "60", "60", "-"}},
    {"POST_LANGEVIN", "sampler", "POST_LANGEVIN", "use_langevin", {"ula", "ula", "ula", "importance", "importance"}},
    {"POST_LANGEVIN", "ula_η", "POST_LANGEVIN", "initial_step_size", {"0.001", "0.01", "0.01", "0.005", "0.01"}},
    {"POST_LANGEVIN", "step_size_bounds", "POST_LANGEVIN", "step_size_bounds", {"1e-4,10", "-", "-", "-", "1e-7,1"}},
    {"POST_LANGEVIN", "iters", "POST_LANGEVIN", "iters", {"40", "40", "40", "40", "25"}},
    {"POST_LANGEVIN", "N_unadjusted", "POST_LANGEVIN", "N_unadjusted", {"-", "-", "-", "-", "1"}},
    {"POST_LANGEVIN", "autoMALA_η_changerate", "POST_LANGEVIN", "autoMALA_eta_changerate", {"-", "-", "-", "-", "2"}},
    {"THERMODYNAMIC_INTEGRATION", "num_temps", "thermodynamic_integration", "num_temps", {"0", "10", "10", "0", "5"}},
    {"THERMODYNAMIC_INTEGRATION", "p_start", "THERMODYNAMIC_INTEGRATION", "p_start", {"10", "2", "2", "10", "4"}},
    {"THERMODYNAMIC_INTEGRATION", "p_end", "THERMODYNAMIC_INTEGRATION", "p_end", {"8", "0.5", "0.5", "8", "0.25"}},
    {"THERMODYNAMIC_INTEGRATION", "num_cycles", "THERMODYNAMIC_INTEGRATION", "num_cycles", {"0", "0", "0", "4", "4"}},
    {"THERMODYNAMIC_INTEGRATION",
     "N_langevin_per_temp",
     "THERMODYNAMIC_INTEGRATION",
     "N_langevin_per_temp",
     {"40", "40", "40", "40", "5"}},
    {"THERMODYNAMIC_INTEGRATION",
     "exchange_type",
     "THERMODYNAMIC_INTEGRATION",
     "exchange_type",
     {"-", "deo", "deo", "none", "-"}},
    {"THERMODYNAMIC_INTEGRATION",
     "replica_exchange_frequency",
     "THERMODYNAMIC_INTEGRATION",
     "replica_exchange_frequency",
     {"-", "10", "-", "-", "10"}},
    {"TRAINING", "batch_size", "training", "batch_size", {"100", "50", "50", "100", "100"}},
    {"TRAINING", "batch_size_for_gen", "TRAINING", "batch_size_for_gen", {"100", "100", "-", "100", "-"}},
    {"TRAINING", "importance_sample_size", "TRAINING", "importance_sample_size", {"100", "-", "-", "-", "100"}},
    {"TRAINING", "N_train", "TRAINING", "N_train", {"50000", "40000", "40000", "8000", "1000"}},
    {"TRAINING", "N_test", "TRAINING", "N_test", {"100", "100", "100", "2000", "1000"}},
    {"TRAINING",
     "num_generated_samples",
     "TRAINING",
     "num_generated_samples",
     {"3000", "20000", "20000", "1000", "3000"}},
    {"TRAINING", "N_epochs", "TRAINING", "N_epochs", {"20", "100", "100", "2000", "200"}},
    {"TRAINING", "device", "TRAINING", "use_gpu", {"auto", "auto", "auto", "cpu", "auto"}},
    {"TRAINING", "MLIR_compile", "TRAINING", "autodiff", {"true", "-", "false", "-", "zygote"}},
    {"TRAINING", "dataset", "TRAINING", "dataset", {"MNIST", "MNIST", "MNIST", "DARCY_FLOW", "MNIST"}},
    {"TRAINING",
     "contrastive_divergence_training",
     "TRAINING",
     "contrastive_divergence_training",
     {"true", "true", "true", "true", "true"}},
    {"TRAINING",
     "resampling_threshold_factor",
     "TRAINING",
     "resampling_threshold_factor",
     {"0.5", "0.5", "0.5", "0.5", "0.5"}},
    {"TRAINING", "eps", "TRAINING", "eps", {"1e-4", "1e-4", "1e-4", "0.01", "0.001"}},
    {"TRAINING", "checkpoint_every", "TRAINING", "checkpoint_every", {"5", "-1", "-1", "-1", "false"}},
    {"TRAINING", "gen_every", "TRAINING", "gen_every", {"2", "10", "10", "200", "false"}},
    {"TRAINING", "use_perceptual_loss", "TRAINING", "use_perceptual_loss", {"false", "false", "false", "false", "-"}},
    {"TRAINING", "verbose", "TRAINING", "verbose", {"true", "true", "true", "true", "true"}},
    {"TRAINING", "update_grid", "TRAINING", "update_grid", {"true", "false", "false", "true", "true"}},
    {"CNN", "use_cnn_lkhood", "Cnn", "use_cnn_lkhood", {"false", "true", "true", "false", "false"}},
    {"CNN",
     "hidden_feature_dims",
     "CNN",
     "hidden_feature_dims",
     {"512,256,128,64", "128,64,32", "256,128,64,32", "-", "-"}},
    {"CNN", "strides", "CNN", "strides", {"2,2,2,2,2", "2,2,2,2", "2,2,2,2,2", "2,2,2,2,2", "2,2,2,2,2"}},
    {"CNN", "kernel_sizes", "CNN", "kernel_sizes", {"4,4,4,4,4", "4,4,4,4", "4,4,4,4,4", "4,4,4,4,4", "4,4,4,4,4"}},
    {"CNN", "paddings", "CNN", "paddings", {"1,1,1,1,1", "1,1,1,1", "1,1,1,1,1", "1,1,1,1,1", "1,1,1,1,1"}},
    {"CNN", "projection", "CNN", "projection", {"-", "true", "true", "false", "-"}},
    {"CNN", "init_spatial", "CNN", "init_spatial", {"-", "2", "2", "-1", "-"}},
    {"CNN", "activation", "CNN", "activation", {"-", "leakyrelu", "leakyrelu", "leakyrelu", "-"}},
    {"CNN", "batchnorm", "CNN", "batchnorm", {"-", "false", "false", "false", "-"}},
    {"CNN", "latent_concat", "CNN", "latent_concat", {"false", "false", "false", "false", "-"}},
    {"SEQ", "sequence_length", "SEQ", "sequence_length", {"-1", "-1", "-1", "100", "100"}},
    {"SEQ", "vocab_size", "SEQ", "vocab_size", {"1000", "1000", "1000", "1000", "1000"}},
    {"SEQ", "d_model", "SEQ", "hidden_dim", {"128", "128", "128", "128", "128"}},
    {"SEQ", "activation", "SEQ", "activation", {"relu", "relu", "relu", "relu", "leakyrelu"}},
    {"OPTIMIZER", "type", "optimizer", "type", {"nesterov", "adam", "adam", "adam", "l-bfgs"}},
    {"OPTIMIZER", "learning_rate", "OPTIMIZER", "gen_learning_rate", {"5e-4", "1e-4", "1e-4", "1e-3", "1e-3"}},
    {"OPTIMIZER", "ebm_learning_rate", "OPTIMIZER", "learning_rate_ebm", {"-", "2e-5", "2e-5", "1e-3", "-"}},
    {"OPTIMIZER", "betas", "OPTIMIZER", "betas", {"0.9,0.999", "0.9,0.999", "0.9,0.999", "0.9,0.999", "-"}},
    {"OPTIMIZER", "decay", "OPTIMIZER", "decay", {"0", "0.1", "0.9", "0.1", "0"}},
    {"OPTIMIZER", "ρ", "OPTIMIZER", "rho", {"0.9", "0.9", "0.1", "0.9", "-"}},
    {"OPTIMIZER", "ε", "OPTIMIZER", "eps", {"8e-9", "8e-8", "8e-8", "8e-8", "-"}},
    {"OPTIMIZER", "l-bfgs_memory", "OPTIMIZER", "l-bfgs_memory", {"-", "-", "-", "-", "100"}},
    {"LINE_SEARCH", "type", "LINE_SEARCH", "type", {"-", "-", "-", "-", "strongwolfe"}},
    {"LINE_SEARCH", "c_1", "LINE_SEARCH", "c_1", {"-", "-", "-", "-", "1e-4"}},
    {"LINE_SEARCH", "ρ", "LINE_SEARCH", "rho", {"-", "-", "-", "-", "2"}},
    {"LR_SCHEDULE", "decay", "LR_SCHEDULE", "decay", {"-", "1.0", "1.0", "1.0", "-"}},
    {"LR_SCHEDULE",
     "milestone_epochs",
     "LR_SCHEDULE",
     "milestone_epochs",
     {"-", "100,200", "100,200", "1000000,2000000", "-"}},
    {"PCA", "use_pca", "PCA", "use_pca", {"false", "false", "false", "false", "-"}},
    {"PCA", "pca_components", "PCA", "pca_components", {"800", "800", "800", "50", "-"}},
    {"SYMBOLIC_REG", "λ_total", "Symbolic_Reg", "lambda_total", {"-", "1e-5", "1e-6", "0.01", "-"}},
    {"SYMBOLIC_REG", "λ_l1", "SYMBOLIC_REG", "lambda_l1", {"-", "1", "1", "1", "-"}},
    {"SYMBOLIC_REG", "λ_entropy", "SYMBOLIC_REG", "lambda_entropy", {"-", "10", "10", "10", "-"}},
    {"SYMBOLIC_REG", "λ_coef", "SYMBOLIC_REG", "lambda_coef", {"-", "0", "0", "0", "-"}},
    {"SYMBOLIC_REG", "λ_coefdiff", "SYMBOLIC_REG", "lambda_coefdiff", {"-", "0", "0", "0", "-"}},
    {"SYMBOLIC_REG", "nonlin_threshold", "SYMBOLIC_REG", "nonlin_threshold", {"-", "1e-16", "1e-16", "1e-16", "-"}},
    {"SYMBOLIC_REG", "max_iters", "SYMBOLIC_REG", "max_iters", {"-", "100", "100", "100", "-"}},
    {"SYMBOLIC_REG", "fit_lower_bound", "SYMBOLIC_REG", "fit_lower_bound", {"-", "-10", "-10", "-10", "-"}},
    {"SYMBOLIC_REG", "regularize_prior", "SYMBOLIC_REG", "regularize_prior", {"-", "false", "false", "false", "-"}},
    {"VARIATIONAL", "use_variational", "Variational", "use_variational", {"-", "false", "false", "false", "-"}},
    {"VARIATIONAL", "beta", "VARIATIONAL", "beta", {"-", ".01", ".01", "1", "-"}},
    {"VARIATIONAL", "num_cycles", "VARIATIONAL", "num_cycles", {"-", "2", "2", "4", "-"}},
    {"VARIATIONAL", "cycle_length", "VARIATIONAL", "cycle_length", {"-", "4000", "4000", "100", "-"}},
    {"VARIATIONAL", "annealing_fraction", "VARIATIONAL", "annealing_fraction", {"-", "0.5", "0.5", "0.5", "-"}},
    {"Encoder", "type", "ENCODER", "type", {"-", "cnn", "cnn", "diagonal", "-"}},
    {"Encoder", "widths", "Encoder", "widths", {"-", "256,128", "256,128", "256,128", "-"}},
    {"Encoder",
     "hidden_feature_dims",
     "Encoder",
     "hidden_feature_dims",
     {"-", "64,128,256", "32,64,128,256", "32,64,128", "-"}},
    {"Encoder", "strides", "Encoder", "strides", {"-", "2,2,2", "2,2,2,2", "2,2,2", "-"}},
    {"Encoder", "kernel_sizes", "Encoder", "kernel_sizes", {"-", "4,4,4", "4,4,4,4", "4,4,4", "-"}},
    {"Encoder", "paddings", "Encoder", "paddings", {"-", "1,1,1", "1,1,1,1", "1,1,1", "-"}},
    {"MIXED_PRECISION", "full_precision", "MIXED_PRECISION", "full_precision", {"-", "FP32", "FP32", "FP32", "FP32"}},
    {"MIXED_PRECISION",
     "reduced_precision",
     "MIXED_PRECISION",
     "reduced_precision",
     {"-", "FP32", "FP32", "FP32", "FP32"}},
    {"MIXED_PRECISION", "loss_scaling", "MIXED_PRECISION", "loss_scaling", {"-", "1", "1", ".01", "1"}},
    {"VAE", "beta", "VAE", "beta", {"-", "0.01", "-", "-", "-"}},
    {"TUNING", "num_trials", "TUNING", "num_trials", {"50", "5", "100", "-", "-"}},
    {"TUNING", "sampler", "TUNING", "sampler", {"bcap", "grid", "random", "-", "-"}},
};

/// What the older boolean keys say for today's words.
std::string older_value(const Row& row, const std::string& value) {
  if (row.other_key == "use_langevin") return value == "ula" ? "true" : "false";
  if (row.other_key == "use_gpu") return value == "auto" ? "true" : "false";
  return value;
}

/// A column's file in today's plain form, or as older versions and other editors write it.
std::string file_of(size_t column, bool plain) {
  std::string text = plain ? "" : "\xEF\xBB\xBF; written elsewhere\r\n\r\n", section;
  for (const auto& row : kRows) {
    if (row.values[column] == "-") continue;
    const std::string& now = plain ? row.section : row.other_section;
    if (now != section) text += plain ? "\n[" + now + "]\n" : "\t[" + now + "] \t\r\n";
    section = now;
    if (plain)
      text += row.key + " = " + row.values[column] + "\n";
    else
      text += "  " + row.other_key + "=\t" + older_value(row, row.values[column]) + "  # as it was ; once\t \r\n";
  }
  return text;
}

class Reference : public ::testing::TestWithParam<size_t> {};

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

}  // namespace
}  // namespace kaem
