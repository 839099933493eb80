#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

/// What a GPU can do beside operators, if libkaem_cuda.so has been opened (kaem/ops/ops.h, load_cuda).
namespace kaem::ops {

/// How much of an update a part of it lets a GPU record: nothing, what makes the samples, or all up to the gradients.
/// Recorded work launches the same at every step, keeps no state of its own and waits for nothing.
enum class Recordable { kNothing, kSampling, kAll };

/// True if work can be recorded on this device now: a GPU whose kernels are open, unless KAEM_CUDA_GRAPHS=0, algorithms
/// have to be deterministic (LibTorch's then wait for the GPU), or something is being recorded already.
bool records(const c10::Device& device);

/// Work recorded as a CUDA graph: a single launch does all of it again.
class Recording {
 public:
  virtual ~Recording() = default;
  /// Does the work, with the random numbers (kaem/core/rng.h) of `later` steps after those it was recorded with.
  virtual void replay(int64_t later) = 0;

  std::vector<at::Tensor> kept;  ///< what keep_for_recording was given: it lives as long as the recording
};

/// Records `work` without doing it. It must launch the same every time, on tensors that stay where they are, and must
/// not wait for the GPU: c10::Error if it does, or if nothing can be recorded there, and nothing has happened then.
std::unique_ptr<Recording> record(const c10::Device& device, const std::function<void()>& work);

/// True while something is being recorded.
bool is_recording();

/// In work that is recorded: a tensor that it reads and that others may let go of before the recording ends.
void keep_for_recording(const at::Tensor& t);

/// In work that is recorded nothing can be looked at: a condition (bool []) that has to hold for its results to be good
/// is left here, and looked at after every replay.
void check_later(const at::Tensor& holds);

/// How many of the conditions that were left since the recording began do not hold: float64 [] on the device.
at::Tensor failed_checks(const c10::Device& device);

/// Calls `step` so many times: where `records`, it runs once, is then recorded, and replayed for the rest: results are
/// copied into the tensors that it reads.
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
  std::unique_ptr<Recording> (*record)(const c10::Device&, const std::function<void()>& work) = nullptr;
  void (*forbid_synchronisation)(bool forbidden) = nullptr;
};
void set_gpu_services(const GpuServices& services);

/// Whether they have been given: libkaem_cuda.so is open.
bool has_gpu_services();

}  // namespace kaem::ops
