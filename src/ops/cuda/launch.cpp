#include "ops/cuda/launch.h"

#include <ATen/ATen.h>
#include <c10/cuda/CUDAStream.h>
#include <cuda_runtime.h>
#include <torch/version.h>

#include <array>

#include "kaem/ops/ops.h"
#include "ops/math.h"

#define KAEM_TEXT_OF(x) #x
#define KAEM_TEXT(x) KAEM_TEXT_OF(x)
/// The LibTorch that this library was built for; load_cuda() compares.
extern "C" __attribute__((visibility("default"))) const char* kaem_cuda_torch_version() {
  return KAEM_TEXT(TORCH_VERSION_MAJOR) "." KAEM_TEXT(TORCH_VERSION_MINOR);
}

namespace kaem::ops::cuda {
namespace {

using at::Tensor;

/// Number of what is being recorded on a stream, 0 if nothing is.
unsigned long long recording_on(Stream stream) {
  cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
  unsigned long long number = 0;
  C10_CUDA_CHECK(cudaStreamGetCaptureInfo(stream, &status, &number));
  return status == cudaStreamCaptureStatusActive ? number : 0;
}

/// True if `now` is what `then`, which shares its memory, was: nothing was written since, and the view is the same.
bool is_same(const Tensor& now, const Tensor& then, int64_t version) {
  return now.const_data_ptr() == then.const_data_ptr() && now._version() == version && now.sizes() == then.sizes() &&
         now.strides() == then.strides();
}

/// Scales of a basis, and what they were made of (detached: a graph kept here would be kept for long). Those that are
/// made while something is recorded hold for the rest of that recording alone.
struct Scales {
  Tensor knots, tau, values;
  int64_t kind = 0, knots_version = 0, tau_version = 0;
  Stream stream = nullptr;
  unsigned long long recording = 0;

  bool are_of(const Tensor& k, const Tensor& t, int64_t basis, Stream where, unsigned long long number) const {
    return values.defined() && is_same(k, knots, knots_version) && is_same(t, tau, tau_version) && basis == kind &&
           where == stream && number == recording;
  }
};

/// The scales that this thread used last: a chain asks for the same few at every step.
Scales& recent_scales(const Tensor& knots, const Tensor& tau, int64_t kind, Stream stream) {
  constexpr size_t kKept = 8;
  thread_local auto& kept = *new std::array<Scales, kKept>();  // never destroyed: CUDA may be gone by then
  thread_local size_t oldest = 0;
  const unsigned long long recording = recording_on(stream);
  for (Scales& s : kept)
    if (s.are_of(knots, tau, kind, stream, recording)) return s;
  Scales& s = kept[oldest];
  oldest = (oldest + 1) % kKept;
  return s = {knots.detach(), tau.detach(), {}, kind, knots._version(), tau._version(), stream, recording};
}

}  // namespace

Stream current_stream() { return c10::cuda::getCurrentCUDAStream().stream(); }

Launch::Launch(const Tensor& x, const Tensor& knots, const Tensor& tau, const BasisSpec& spec, int64_t inputs)
    : guard_(x.device()), stream(current_stream()), knots_(knots.contiguous()), tau_(tau.contiguous()) {
  const auto kind = static_cast<int64_t>(spec.kind), activation = static_cast<int64_t>(spec.activation);
  const int64_t rows = knots.size(0), intervals = grid_size_of(spec, knots), features = feature_count(spec, intervals);
  if (inputs == 0) inputs = rows;
  Scales& scales = recent_scales(knots, tau, kind, stream);
  const bool made = scales.values.defined();
  if (!made) scales.values = at::empty({2, rows}, knots_.options());
  scales_ = scales.values;
  basis = {kind,
           spec.degree,
           activation,
           intervals,
           features - (activation == math::kNone ? 0 : 1),
           features,
           inputs,
           rows,
           rows / std::max<int64_t>(1, inputs),
           knots_.const_data_ptr<float>(),
           tau_.const_data_ptr<float>(),
           scales_.mutable_data_ptr<float>()};
  if (rows > 0 && !made) prepare(basis, stream);
}

Tensor Launch::partial(int64_t count) const {
  return at::empty({partial_sums(count)}, knots_.options().dtype(at::kDouble));
}

bool Launch::has_tau() const { return basis.kind == math::kFft || math::is_radial(basis.kind); }

}  // namespace kaem::ops::cuda
