#include "config/reserved.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "kaem/config/config.h"
#include "kaem/core/table.h"

namespace kaem::config {
namespace {

constexpr auto kUnused = Rule::kUnused, kObsolete = Rule::kObsolete, kIgnored = Rule::kIgnored, kOff = Rule::kOff;
constexpr std::string_view kAnyKey = "*";

const std::vector<Reserved> kReserved = {
    {"EbmModel", "quadrature_method", "", kIgnored, "gausslegendre"},
    {"GeneratorModel", "output_dim", "", kObsolete},
    {"THERMODYNAMIC_INTEGRATION", "replica_exchange_frequency", "", kObsolete},
    {"TRAINING", "num_generated_samples", "", kUnused},
    {"TRAINING", "batch_size_for_gen", "", kUnused},
    {"TRAINING", "MLIR_compile", "", kObsolete},
    {"TRAINING", "autodiff", "", kObsolete},
    {"MIXED_PRECISION", "full_precision", "", kOff, "FP32"},
    {"MIXED_PRECISION", "loss_scaling", "", kObsolete},
    {"OPTIMIZER", "l-bfgs_memory", "", kObsolete},
    {"LINE_SEARCH", "type", "", kObsolete},
    {"LINE_SEARCH", "c_1", "", kObsolete},
    {"LINE_SEARCH", "c_2", "", kObsolete},
    {"LINE_SEARCH", "rho", "ρ", kObsolete},
    {"SYMBOLIC_REG", "nonlin_threshold", "", kUnused},
    {"SYMBOLIC_REG", "reg_factor", "", kUnused},
    {"SYMBOLIC_REG", "num_points_fitting", "", kUnused},
    {"SYMBOLIC_REG", "fit_lower_bound", "", kUnused},
    {"SYMBOLIC_REG", "fit_upper_bound", "", kUnused},
    {"SYMBOLIC_REG", "max_iters", "", kUnused},
    {"SYMBOLIC_REG", "num_restarts", "", kUnused},
    {"SYMBOLIC_REG", "fit_symbolic_*", "", kUnused},
    {"TUNING", kAnyKey, "", Rule::kTuning},
};

const std::vector<Renamed> kRenamed = {
    {"EbmModel", "mixture_model", "use_mixture_prior", "", "", "MixtureModel"},
    {"EbmModel", "use_mixture_prior", "use_mixture_prior", "", "", "MixtureModel"},
    {"EbmModel", "λ_reg", "λ_reg", "", "", "MixtureModel"},
    {"EbmModel", "lambda_reg", "λ_reg", "", "", "MixtureModel"},
    {"POST_LANGEVIN", "use_langevin", "sampler", "ula", "importance"},
    {"POST_LANGEVIN", "use_autoMALA", "sampler", "automala", ""},
    {"TRAINING", "use_gpu", "device", "auto", "cpu"},
};

const std::vector<MappedValue> kMapped = {
    {"EbmModel", "π_0", "kl_gaussian", "gaussian", "the reference's files name it without defining it"},
    {"OPTIMIZER", "type", "l-bfgs", "adam", "line searches do not suit a noisy loss"},
    {"OPTIMIZER", "type", "lbfgs", "adam", "line searches do not suit a noisy loss"},
    {"TRAINING", "device", "tpu", "auto", "there is no TPU support"},
    {"TRAINING", "device", "gpu", "auto", ""},
    {"MIXED_PRECISION", "full_precision", "FP16", "FP32", "log-densities need all digits"},
    {"MIXED_PRECISION", "reduced_precision", "FP16", "BF16", "it has the range of FP32 and needs no scaled loss"},
    {"TRAINING", "checkpoint_every", "false", "-1", ""},
    {"TRAINING", "gen_every", "false", "-1", ""},
    {"EbmModel", "π_0", "normal", "gaussian", ""},
    {"EbmModel", "π_0", "flat", "ebm", ""},
};

/// What other programs call a key.
struct OtherName {
  std::string_view name, key;
};
constexpr auto kOtherNames = std::to_array<OtherName>({
    {"lr", "OPTIMIZER.learning_rate"},       {"learning-rate", "OPTIMIZER.learning_rate"},
    {"optimizer", "OPTIMIZER.type"},         {"optim", "OPTIMIZER.type"},
    {"weight-decay", "OPTIMIZER.decay"},     {"momentum", "OPTIMIZER.ρ"},
    {"epochs", "TRAINING.N_epochs"},         {"num-epochs", "TRAINING.N_epochs"},
    {"n-epochs", "TRAINING.N_epochs"},       {"max-epochs", "TRAINING.N_epochs"},
    {"batch-size", "TRAINING.batch_size"},   {"batchsize", "TRAINING.batch_size"},
    {"bs", "TRAINING.batch_size"},           {"clip-grad", "TRAINING.max_grad_norm"},
    {"grad-clip", "TRAINING.max_grad_norm"}, {"ema", "TRAINING.ema_decay"},
    {"basis", "EbmModel.spline_function"},   {"prior", "EbmModel.π_0"},
    {"widths", "GeneratorModel.widths"},     {"sigma", "GeneratorModel.generator_variance"},
    {"sampler", "POST_LANGEVIN.sampler"},    {"num-temps", "THERMODYNAMIC_INTEGRATION.num_temps"},
    {"image-size", "DATA.resize"},
});

constexpr auto kOlderSections =
    std::to_array<std::string_view>({"EBM_PRIOR", "MIX_PRIOR", "KAN_LIKELIHOOD", "MOE_LIKELIHOOD", "MALA", "LSTM"});

/// True for the key itself, and where the pattern ends in * for all that begin as it does.
bool matches(std::string_view pattern, std::string_view key) {
  return pattern == key || (pattern.ends_with('*') && key.starts_with(pattern.substr(0, pattern.size() - 1)));
}

/// The number that the whole text is; NaN if it is none.
double number(std::string_view text) {
  double value = 0;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), value);
  return fault == std::errc() && end == text.data() + text.size() ? value : std::nan("");
}

}  // namespace

const Reserved* find_reserved(std::string_view section, std::string_view key) {
  for (const auto& row : kReserved)
    if (same_name(row.section, section) && (matches(row.key, key) || (!row.alias.empty() && row.alias == key)))
      return &row;
  return nullptr;
}

bool means_off(const Reserved& row, std::string_view value) {
  return same_name(row.off, value) || number(row.off) == number(value);
}

std::vector<std::string> reserved_sections() {
  std::vector<std::string> names;
  for (const auto& row : kReserved)
    if (std::find(names.begin(), names.end(), row.section) == names.end()) names.emplace_back(row.section);
  return names;
}

std::vector<std::string> reserved_keys(std::string_view section) {
  std::vector<std::string> names;
  for (const auto& row : kReserved)
    if (same_name(row.section, section) && row.key != kAnyKey) names.emplace_back(row.key);
  for (const auto& row : kRenamed)
    if (same_name(row.section, section)) names.emplace_back(row.key);
  return names;
}

const Renamed* find_renamed(std::string_view section, std::string_view key) {
  for (const auto& row : kRenamed)
    if (same_name(row.section, section) && row.key == key) return &row;
  return nullptr;
}

const MappedValue* find_mapped(std::string_view section, std::string_view key, std::string_view value) {
  for (const auto& row : kMapped)
    if (same_name(row.section, section) && row.key == key && same_name(row.from, value)) return &row;
  return nullptr;
}

const std::vector<Reserved>& all_reserved() { return kReserved; }
const std::vector<Renamed>& all_renamed() { return kRenamed; }
const std::vector<MappedValue>& all_mapped() { return kMapped; }

bool is_older_format(std::string_view section) {
  return std::any_of(kOlderSections.begin(), kOlderSections.end(), [&](auto name) { return same_name(name, section); });
}

}  // namespace kaem::config

std::string kaem::key_of_other_programs(std::string_view name) {
  std::string plain(name.substr(std::min(name.find_first_not_of('-'), name.size())));
  std::replace(plain.begin(), plain.end(), '_', '-');
  for (const auto& row : config::kOtherNames)
    if (same_name(row.name, plain)) return std::string(row.key);
  return {};
}
