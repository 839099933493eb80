#include "kaem/ops/gpu.h"

#include <ATen/Context.h>

#include <cstdlib>
#include <string_view>

#include "kaem/core/error.h"
#include "kaem/core/str.h"

namespace kaem::ops {
namespace {

GpuServices& services() {
  static GpuServices given;
  return given;
}

bool graphs_wanted() {
  const char* wish = std::getenv("KAEM_CUDA_GRAPHS");
  const std::string_view word = wish != nullptr ? wish : "0";
  if (word != "0" && word != "1") throw UsageError(str("KAEM_CUDA_GRAPHS=", word, ": want 0 or 1"));
  return word == "1";
}

}  // namespace

void set_gpu_services(const GpuServices& given) { services() = given; }

bool records(const c10::Device& device) {
  return device.is_cuda() && services().record_and_replay != nullptr && graphs_wanted() &&
         !at::globalContext().deterministicAlgorithms();  // whose replacements wait for the GPU
}

void record_and_repeat(const c10::Device& device, int64_t count, const std::function<void()>& step) {
  if (count > 2 && records(device)) {
    step();  // what libraries set up at their first call cannot be recorded
    services().record_and_replay(device, count - 1, step);
    return;
  }
  for (int64_t i = 0; i < count; ++i) step();
}

NoSynchronisation::NoSynchronisation() {
  if (services().forbid_synchronisation != nullptr) services().forbid_synchronisation(true);
}

NoSynchronisation::~NoSynchronisation() {
  if (services().forbid_synchronisation != nullptr) services().forbid_synchronisation(false);
}

}  // namespace kaem::ops
