#pragma once

#include <c10/core/Device.h>

#include <cstdint>
#include <functional>

/// What a GPU can do beside operators, if libkaem_cuda.so has been opened (kaem/ops/ops.h, load_cuda).
namespace kaem::ops {

/// True if `record_and_repeat` records on this device: a GPU whose kernels are open, and KAEM_CUDA_GRAPHS=1. (Not the
/// default yet: see docs/performance.md.)
bool records(const c10::Device& device);

/// Calls `step` so many times: where `records`, it runs once, is then recorded as a CUDA graph, and replayed for the
/// rest: a single launch each instead of one for every operator. A step that is recorded must launch the same work
/// every time, on tensors that stay where they are (results are copied into them), and must not wait for the GPU.
void record_and_repeat(const c10::Device& device, int64_t count, const std::function<void()>& step);

/// While it lives, whatever waits for the GPU throws c10::Error. Does nothing without kernels for one.
class NoSynchronisation {
 public:
  NoSynchronisation();
  ~NoSynchronisation();
  NoSynchronisation(const NoSynchronisation&) = delete;
  NoSynchronisation& operator=(const NoSynchronisation&) = delete;
};

/// The functions behind these, given by libkaem_cuda.so when it is opened.
struct GpuServices {
  void (*record_and_replay)(const c10::Device&, int64_t replays, const std::function<void()>& step) = nullptr;
  void (*forbid_synchronisation)(bool forbidden) = nullptr;
};
void set_gpu_services(const GpuServices& services);

}  // namespace kaem::ops
