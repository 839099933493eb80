#include "device.h"

#include <ATen/Context.h>

#include <charconv>

#include "kaem/core/denormals.h"
#include "kaem/core/error.h"
#include "kaem/core/memory.h"
#include "kaem/core/str.h"
#include "kaem/core/threads.h"
#include "kaem/ops/ops.h"
#include "kaem/train/trainer.h"

namespace kaem {
namespace {

/// N of "cuda:N" (0 for "cuda"), or -1.
int64_t cuda_index(const std::string& name) {
  if (name == "cuda" || name == "gpu") return 0;
  if (!name.starts_with("cuda:")) return -1;
  int64_t index = -1;
  const auto [end, error] = std::from_chars(name.data() + 5, name.data() + name.size(), index);
  return error == std::errc() && end == name.data() + name.size() ? index : -1;
}

}  // namespace

std::string resolve_device(const std::string& name) {
  if (name == "cpu") return name;
  if (name == "auto") {
    try {
      load_cuda();
      return "cuda:0";
    } catch (const Error&) {
      return "cpu";
    }
  }
  const int64_t index = cuda_index(name);
  if (index < 0) throw UsageError("--device '" + name + "' is not known; one of: auto cpu cuda cuda:N");
  load_cuda();
  const auto count = static_cast<int64_t>(at::getNumGPUs());
  if (index >= count)
    throw UsageError(str("--device ", name, ": there are ", count, " CUDA devices here, numbered from 0"));
  return str("cuda:", index);
}

std::string prepare_machine(const RunOptions& options) {
  const std::string device = resolve_device(options.device);
  set_threads(options.threads);
  flush_denormals();
  keep_freed_memory();
  at::globalContext().setDeterministicAlgorithms(options.deterministic, false);
  return device;
}

}  // namespace kaem
