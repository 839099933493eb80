// Recording of repeated work as a CUDA graph, and the guard against waiting for the GPU.
#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include "kaem/ops/gpu.h"

namespace kaem::ops {
namespace {

void record_and_replay(const c10::Device& device, int64_t replays, const std::function<void()>& step) {
  const c10::cuda::CUDAGuard on_device(device);
  const c10::cuda::CUDAStream before = c10::cuda::getCurrentCUDAStream(),
                              side = c10::cuda::getStreamFromPool(/*isHighPriority=*/false, device.index());
  at::cuda::CUDAGraph graph;
  side.synchronize();
  before.synchronize();
  {
    const c10::cuda::CUDAStreamGuard guard(side);  // the default stream cannot be recorded
    // Other threads (the loader of data) go on meanwhile.
    graph.capture_begin({0, 0}, cudaStreamCaptureModeThreadLocal);
    try {
      step();
    } catch (...) {
      graph.capture_end();
      throw;
    }
    graph.capture_end();
    for (int64_t i = 0; i < replays; ++i) graph.replay();
  }
  side.synchronize();  // the graph's memory goes with it
}

void forbid_synchronisation(bool forbidden) {
  c10::cuda::warning_state().set_sync_debug_mode(forbidden ? c10::cuda::SyncDebugMode::L_ERROR
                                                           : c10::cuda::SyncDebugMode::L_DISABLED);
}

[[maybe_unused]] const bool kGiven = [] {
  set_gpu_services({record_and_replay, forbid_synchronisation});
  return true;
}();

}  // namespace
}  // namespace kaem::ops
