// Fused CPU kernels of what chains ask of densities. A task is a block of a mixture's components, or of rows.
#include <ATen/ATen.h>

#include <algorithm>

#include "ops/cpu/parallel.h"
#include "ops/cpu/plan.h"
#include "ops/density/op.h"

namespace kaem::ops {
namespace {

constexpr int64_t kDensityChunk = 256, kRowFloats = 16384;

Tensor mixture_score_cpu(const Tensor& z_in, const Tensor& knots, const Tensor& tau, const Tensor& weights_in,
                         const Tensor& constant_in, Spec spec) {
  const Tensor z = z_in.contiguous(), weights = weights_in.contiguous(), constant = constant_in.contiguous();
  const int64_t samples = z.size(0), q_count = z.size(1);
  const cpu::Plan plan(knots, tau, spec_of(spec), weights.size(0));
  Tensor out = at::empty_like(z);
  const simd::Kernels& kernels = simd::kernels();
  const int64_t chunks = (samples + kDensityChunk - 1) / kDensityChunk;
  const float* from = z.const_data_ptr<float>();
  float* to = out.mutable_data_ptr<float>();
  cpu::parallel(chunks * q_count, 1, [&](int64_t begin, int64_t end) {
    while (begin < end) {
      const int64_t chunk = begin / q_count, first = chunk * kDensityChunk, last = std::min(end, (chunk + 1) * q_count);
      const simd::MixtureRange range{from + first * q_count,
                                     weights.const_data_ptr<float>(),
                                     constant.const_data_ptr<float>(),
                                     std::min(kDensityChunk, samples - first),
                                     q_count,
                                     weights.size(0),
                                     begin - chunk * q_count,
                                     last - chunk * q_count};
      kernels.mixture_score(plan.basis(), range, to + first * q_count,
                            cpu::scratch(kernels.mixture_scratch(plan.basis(), range)));
      begin = last;
    }
  });
  return out;
}

std::tuple<Tensor, Tensor> output_error_cpu(const Tensor& x_in, const Tensor& generated_in, double steepness,
                                            const Tensor& scale) {
  const Tensor x = x_in.contiguous(), generated = generated_in.contiguous();
  const int64_t width = x.size(1), rows = generated.size(0) * generated.size(1) * generated.size(2);
  Tensor distance = at::empty({generated.size(0), generated.size(1), generated.size(2)}, x.options());
  Tensor gradient = at::empty_like(generated);
  if (rows == 0) return {distance, gradient};
  simd::ErrorRange all{x.const_data_ptr<float>(),
                       generated.const_data_ptr<float>(),
                       width,
                       generated.size(2),
                       x.size(0),
                       0,
                       rows,
                       static_cast<float>(steepness),
                       scale.item<float>()};
  float *to_distance = distance.mutable_data_ptr<float>(), *to_gradient = gradient.mutable_data_ptr<float>();
  cpu::parallel(rows, std::max<int64_t>(1, kRowFloats / std::max<int64_t>(1, width)), [&](int64_t begin, int64_t end) {
    simd::ErrorRange range = all;
    range.begin = begin, range.end = end;
    simd::kernels().output_error(range, to_distance, to_gradient);
  });
  return {distance, gradient};
}

}  // namespace

TORCH_LIBRARY_IMPL(kaem, CPU, m) {
  raw::mixture_score.add(m, mixture_score_cpu);
  raw::output_error.add(m, output_error_cpu);
}

}  // namespace kaem::ops
