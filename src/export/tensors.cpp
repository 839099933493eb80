#include <ATen/ATen.h>

#include "export/rows.h"
#include "kaem/core/number.h"
#include "kaem/core/str.h"
#include "kaem/io/file.h"
#include "kaem/io/safetensors.h"
#include "kaem/train/version.h"

namespace kaem::exports {
namespace {

io::NamedTensors tensors_of(const torch::nn::Module& model) {
  io::NamedTensors tensors;
  for (const auto& p : model.named_parameters()) tensors.emplace_back(p.key(), p.value());
  for (const auto& b : model.named_buffers())
    if (b.value().defined()) tensors.emplace_back(b.key(), b.value());
  return tensors;
}

std::string write_tensors(LoadedRun& run, const Options& options, const Rng&) {
  const io::NamedTensors tensors = tensors_of(*run.model);
  const DataShape& shape = run.model->shape;
  const bool averaged = run.config.optimizer.ema_decay > 0;
  io::write_file_atomic(options.out,
                        io::to_safetensors(tensors, {{"format", "pt"},  // what loaders of PyTorch look for
                                                     {"kaem_version", std::string(version())},
                                                     {"config", to_ini(run.config)},
                                                     {"step", str(run.step)},
                                                     {"shape", str(shape[0], ",", shape[1], ",", shape[2])},
                                                     {"scale", str(run.scale_min, ",", run.scale_max)},
                                                     {"weights", averaged ? "averaged" : "last"}}));
  int64_t numbers = 0;
  for (const auto& [name, tensor] : tensors) numbers += tensor.numel();
  return str(tensors.size(), " tensors, ", grouped(numbers), " numbers", averaged ? ", averages of the weights" : "",
             ", the configuration as metadata\n");
}

}  // namespace

Format safetensors_format() {
  return {"safetensors",
          "the model's tensors alone (averaged weights where kept), its configuration as metadata",
          {".safetensors"},
          "model",
          {},
          no_obstacle,
          write_tensors};
}

}  // namespace kaem::exports
