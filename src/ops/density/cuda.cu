#include "ops/cuda/launch.cuh"
#include "ops/density/cuda.h"

namespace kaem::ops::cuda {
namespace {

__device__ inline float warp_max(float value) {
  for (int step = kWarp / 2; step > 0; step /= 2) value = fmaxf(value, __shfl_xor_sync(0xffffffffU, value, step));
  return value;
}

/// A warp per point z[s,q], its threads share the components p. Sums are kept relative to the largest energy so far.
template <int64_t kind>
__global__ void mixture_kernel(Basis b, const float* z, const float* weights, const float* constant, int64_t count,
                               int64_t outputs, float* out) {
  const int64_t warps = element_step() / kWarp;
  const int lane = static_cast<int>(threadIdx.x % kWarp);
  for (int64_t j = first_element() / kWarp; j < count; j += warps) {
    const int64_t q = j % outputs;
    const float x = z[j];
    float top = -INFINITY, total = 0.0F, slope = 0.0F;
    for (int64_t p = lane; p < b.inputs; p += kWarp) {
      const math::Grid<float> grid = grid_of<kind>(b, row_of(b, p, q));
      const float* w = weights + p * b.features * outputs + q;
      float energy = constant[q * b.inputs + p], derivative = 0.0F;
      for (int64_t f = 0; f < b.features; ++f) {
        energy += w[f * outputs] * math::feature(grid, x, x, f, 0);
        derivative += w[f * outputs] * math::feature(grid, x, x, f, 1);
      }
      const float higher = fmaxf(top, energy);
      if (higher == -INFINITY && energy == energy) continue;  // NaN has to reach the score
      const float old = expf(top - higher), now = expf(energy - higher);
      total = total * old + now, slope = slope * old + now * derivative, top = higher;
    }
    const float highest = warp_max(top), share = top > -INFINITY ? expf(top - highest) : 0.0F;
    total = lane_sum<kWarp>(total * share), slope = lane_sum<kWarp>(slope * share);
    if (lane == 0) out[j] = slope / total;
  }
}

/// A block per row of `generated`.
__global__ void error_kernel(Error e, const float* x, const float* generated, const float* scale, float* distance,
                             float* gradient) {
  for (int64_t row = blockIdx.x; row < e.rows; row += gridDim.x) {
    const float* data = x + row / e.repeat % e.data * e.width;
    const float factor = scale == nullptr ? e.factor : e.factor * *scale;
    double own = 0.0;
    for (int64_t k = threadIdx.x; k < e.width; k += kThreads) {
      const int64_t at = row * e.width + k;
      const float value = generated[at], xhat = e.steepness == 0 ? value : math::logistic(e.steepness * value);
      const float difference = data[k] - xhat;
      own += static_cast<double>(difference * difference);
      gradient[at] = factor * difference * (e.steepness == 0 ? 1.0F : e.steepness * (xhat * (1 - xhat)));
    }
    const double sum = block_sum(own);
    if (threadIdx.x == 0) distance[row] = static_cast<float>(sum);
  }
}

}  // namespace

void mixture_score(const Basis& b, const float* z, const float* weights, const float* constant, int64_t samples,
                   int64_t outputs, float* out, Stream stream) {
  const int64_t count = samples * outputs;
  with_kind(b.kind, [&](auto kind) {
    mixture_kernel<kind()>
        <<<blocks_for(count * kWarp), kThreads, 0, stream>>>(b, z, weights, constant, count, outputs, out);
  });
}

void output_error(const Error& e, const float* x, const float* generated, const float* scale, float* distance,
                  float* gradient, Stream stream) {
  const int64_t blocks = e.rows < 65535 ? e.rows : 65535;
  error_kernel<<<static_cast<unsigned>(blocks), kThreads, 0, stream>>>(e, x, generated, scale, distance, gradient);
}

}  // namespace kaem::ops::cuda
