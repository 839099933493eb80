// Recording of repeated work as a CUDA graph, and the guard against waiting for the GPU.
#include <ATen/ATen.h>
#include <ATen/core/CachingHostAllocator.h>
#include <ATen/cuda/CUDAGraph.h>
#include <ATen/cuda/MemPool.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include <map>
#include <memory>

#include "kaem/ops/gpu.h"
#include "ops/cuda/steps_later.h"

namespace kaem::ops {
namespace {

using c10::cuda::SyncDebugMode;

/// Sets whether waiting for the GPU is an error, and sets back what was.
class WaitingMode {
 public:
  explicit WaitingMode(SyncDebugMode mode) : before_(c10::cuda::warning_state().get_sync_debug_mode()) {
    c10::cuda::warning_state().set_sync_debug_mode(mode);
  }
  ~WaitingMode() { c10::cuda::warning_state().set_sync_debug_mode(before_); }
  WaitingMode(const WaitingMode&) = delete;
  WaitingMode& operator=(const WaitingMode&) = delete;

 private:
  SyncDebugMode before_;
};

/// Stream and memory of all recordings on a device: one of each, as a graph's memory goes back to its own pool only,
/// and a pool ends with its last graph, which is therefore kept until the next one is there. The default stream cannot
/// be recorded.
struct Recorder {
  c10::cuda::CUDAStream stream;
  std::unique_ptr<at::cuda::CUDAGraph> last = nullptr;
  std::shared_ptr<at::cuda::CUDAGraph> update = nullptr;  ///< the last Graph's, whose pool the next one goes on with

  c10::MempoolId_t pool() const { return last ? last->pool() : at::cuda::MemPool::graph_pool_handle(false); }
};

Recorder& recorder_of(const c10::Device& device) {
  static auto& all = *new std::map<c10::DeviceIndex, Recorder>();  // never destroyed: CUDA may be gone by then
  const auto found = all.find(device.index());
  if (found != all.end()) return found->second;
  return all.try_emplace(device.index(), Recorder{c10::cuda::getStreamFromPool(false, device.index())}).first->second;
}

void record(at::cuda::CUDAGraph& graph, const c10::Device& device, c10::MempoolId_t pool,
            const std::function<void()>& step) {
  // Other threads (the loader of data) go on meanwhile.
  graph.capture_begin(pool, cudaStreamCaptureModeThreadLocal);
  try {
    step();
  } catch (...) {
    // What went wrong is in the step's own error; ending a recording that is void only adds another.
    try {
      graph.capture_end();
    } catch (const c10::Error&) {
      // Mostly neither allocator has been told yet; both would go on asking the graph, which goes away.
      try {
        c10::cuda::CUDACachingAllocator::endAllocateToPool(device.index(), pool);
        c10::cuda::CUDACachingAllocator::releasePool(device.index(), pool);
        at::HostAllocator* const host = at::getHostAllocator(at::kCUDA);
        host->end_allocate_to_pool(pool);
        host->release_pool(pool);
      } catch (const c10::Error&) {  // they have been told
      }
      (void)cudaGetLastError();
    }
    throw;
  }
  graph.capture_end();
}

void record_and_replay(const c10::Device& device, int64_t replays, const std::function<void()>& step) {
  const c10::cuda::CUDAGuard on_device(device);
  const c10::cuda::CUDAStream before = c10::cuda::getCurrentCUDAStream();
  Recorder& recorder = recorder_of(device);
  auto graph = std::make_unique<at::cuda::CUDAGraph>();
  {
    const WaitingMode allowed(SyncDebugMode::L_DISABLED);
    before.synchronize();
  }
  {
    const c10::cuda::CUDAStreamGuard guard(recorder.stream);
    record(*graph, device, recorder.pool(), step);
    for (int64_t i = 0; i < replays; ++i) graph->replay();
  }
  const WaitingMode allowed(SyncDebugMode::L_DISABLED);
  recorder.stream.synchronize();
  recorder.last = std::move(graph);
}

/// A recording with memory of its own, which it has from the one before it if that is gone: its results are not wanted
/// any more then.
class Graph : public Recording {
 public:
  Graph(const c10::Device& device, const std::function<void()>& work)
      : device_(device), later_(at::zeros({}, at::TensorOptions(device).dtype(at::kLong))) {
    const c10::cuda::CUDAGuard on_device(device);
    {
      const WaitingMode allowed(SyncDebugMode::L_DISABLED);
      c10::cuda::getCurrentCUDAStream().synchronize();
    }
    const cuda::StepsLater steps_later(later_.const_data_ptr<int64_t>());
    Recorder& recorder = recorder_of(device);
    const bool goes_on = recorder.update.use_count() == 1;
    const c10::MempoolId_t pool = goes_on ? recorder.update->pool() : at::cuda::MemPool::graph_pool_handle(false);
    const c10::cuda::CUDAStreamGuard guard(recorder.stream);
    try {
      record(*graph_, device, pool, work);
    } catch (...) {
      recorder.update.reset();  // nothing goes on with that pool now
      throw;
    }
    recorder.update = graph_;
  }

  void replay(int64_t later) override {
    const c10::cuda::CUDAGuard on_device(device_);
    later_.fill_(later);
    graph_->replay();
  }

 private:
  c10::Device device_;
  at::Tensor later_;  ///< int64 []: how much later than the recorded step a replay is
  std::shared_ptr<at::cuda::CUDAGraph> graph_ = std::make_shared<at::cuda::CUDAGraph>();
};

std::unique_ptr<Recording> record_graph(const c10::Device& device, const std::function<void()>& work) {
  return std::make_unique<Graph>(device, work);
}

void forbid_synchronisation(bool forbidden) {
  static SyncDebugMode before = SyncDebugMode::L_DISABLED;
  auto& state = c10::cuda::warning_state();
  if (forbidden) before = state.get_sync_debug_mode();
  state.set_sync_debug_mode(forbidden ? SyncDebugMode::L_ERROR : before);
}

[[maybe_unused]] const bool kGiven = [] {
  set_gpu_services({record_and_replay, record_graph, forbid_synchronisation});
  return true;
}();

}  // namespace
}  // namespace kaem::ops
