#include "kaem/ops/gpu.h"

#include <ATen/ATen.h>

#include <cstdlib>
#include <string_view>
#include <utility>
#include <vector>

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
  const std::string_view word = wish != nullptr ? wish : "1";
  if (word != "0" && word != "1") throw UsageError(str("KAEM_CUDA_GRAPHS=", word, ": expected 0 or 1"));
  return word == "1";
}

/// What the recording of this thread has been told, if there is one.
struct Open {
  bool recording = false;
  bool checks = false;  ///< whether conditions will be looked at
  std::vector<at::Tensor> conditions, kept;
};
thread_local Open open;

/// Marks this thread as recording.
class Opened {
 public:
  explicit Opened(bool checks) { open.recording = true, open.checks = checks; }
  ~Opened() { open = {}; }
  Opened(const Opened&) = delete;
  Opened& operator=(const Opened&) = delete;
};

}  // namespace

void set_gpu_services(const GpuServices& given) { services() = given; }

bool has_gpu_services() { return services().record != nullptr; }

bool records(const c10::Device& device) {
  return device.is_cuda() && has_gpu_services() && graphs_wanted() && !open.recording &&
         !at::globalContext().deterministicAlgorithms();
}

std::unique_ptr<Recording> record(const c10::Device& device, const std::function<void()>& work) {
  TORCH_CHECK(device.is_cuda() && has_gpu_services(), "record: nothing can be recorded on ", device);
  const Opened opened(/*checks=*/true);
  auto recording = services().record(device, work);
  recording->kept = std::move(open.kept);
  return recording;
}

bool is_recording() { return open.recording; }

void keep_for_recording(const at::Tensor& t) {
  if (open.recording && t.defined()) open.kept.push_back(t);
}

void check_later(const at::Tensor& holds) {
  TORCH_CHECK(open.checks, "check_later: nobody would look at the condition");
  open.conditions.push_back(holds);
}

at::Tensor failed_checks(const c10::Device& device) {
  if (open.conditions.empty()) return at::zeros({}, at::TensorOptions(device).dtype(at::kDouble));
  return at::stack(open.conditions).logical_not().sum().to(at::kDouble);
}

void record_and_repeat(const c10::Device& device, int64_t count, const std::function<void()>& step) {
  if (count > 2 && records(device)) {
    step();  // what libraries set up at their first call cannot be recorded
    const Opened opened(/*checks=*/false);
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
