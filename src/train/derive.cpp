#include "kaem/train/derive.h"

#include <filesystem>
#include <set>

#include "kaem/core/error.h"
#include "kaem/core/str.h"
#include "kaem/io/file.h"
#include "kaem/prior/prior.h"
#include "meta.h"
#include "state.h"

namespace kaem {
namespace {

constexpr std::string_view kModel = "model.prior.", kAverage = "ema.prior.", kOptimizer = "optimizer.prior.";

/// True for a tensor of the old prior: its values, and the optimiser's state of parameters that are no more.
bool is_replaced(std::string_view name, const std::set<std::string>& parameters) {
  if (name.starts_with(kModel) || name.starts_with(kAverage)) return true;
  if (!name.starts_with(kOptimizer)) return false;
  const std::string_view own = name.substr(kOptimizer.size());
  return !parameters.contains(std::string(own.substr(0, own.rfind('.'))));
}

/// The tensors of a checkpoint with another prior.
io::NamedTensors with_prior(const Checkpoint& checkpoint, const Prior& prior) {
  std::set<std::string> parameters;
  bool averaged = false;
  for (const auto& v : named_values(prior))
    if (v.is_parameter) parameters.insert(v.name);
  io::NamedTensors tensors;
  for (const auto& [name, tensor] : checkpoint.tensors) {
    averaged = averaged || name.starts_with("ema.");
    if (!is_replaced(name, parameters)) tensors.emplace_back(name, tensor);
  }
  for (const auto& v : named_values(prior)) {
    tensors.emplace_back(str(kModel, v.name), v.value);
    if (averaged) tensors.emplace_back(str(kAverage, v.name), v.value);
  }
  return tensors;
}

}  // namespace

void check_new_run(const std::string& option, const std::string& path) {
  const std::filesystem::path folder(path);
  if (!is_run_name(folder.filename().string()))
    throw UsageError(str(option, " ", path, ": the last part of it is no name of a run; ", kRunNameExpected));
  if (std::filesystem::exists(folder)) throw UsageError(str(option, " ", path, ": exists"));
}

void write_run_with_prior(const LoadedRun& run, const Config& config, const Prior& prior, const std::string& path,
                          const std::string& command_line) {
  check_new_run("run folder", path);
  const RunFolder from = RunFolder::open(run.folder);
  Checkpoint checkpoint = from.load_checkpoint(run.step);
  const RunFolder folder = RunFolder::derive(from, path, run.step, command_line);
  checkpoint.config_hash = config_hash(config), checkpoint.config = to_ini(kept_config(config));
  folder.save_checkpoint(checkpoint, with_prior(checkpoint, prior), 1);
  folder.finish(config);
}

}  // namespace kaem
