#pragma once

// What the .cu files share: sizes of launches, a grid per input, sums over a block.

#include <cuda_runtime.h>

#include "ops/cuda/kernels.h"
#include "ops/math.h"

namespace kaem::ops::cuda {

constexpr int kThreads = 256;

inline unsigned blocks_for(int64_t count) {
  const int64_t blocks = (count + kThreads - 1) / kThreads;
  return static_cast<unsigned>(blocks < 1 ? 1 : blocks > 65535 * 16 ? 65535 * 16 : blocks);
}

/// This thread's first element, and how far to the next: launches cover any count.
__device__ inline int64_t first_element() { return static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; }
__device__ inline int64_t element_step() { return static_cast<int64_t>(gridDim.x) * blockDim.x; }

__device__ inline math::Grid<float> grid_of(const Basis& b, int64_t input) {
  return {b.kind,           b.degree,        b.activation, b.intervals, b.functions, b.knots + input * (b.intervals + 1),
          b.scales[input], b.scales[b.inputs + input]};
}

/// Sum over the block, in a fixed order; the result is thread 0's.
__device__ inline double block_sum(double value) {
  __shared__ double shared[kThreads];
  shared[threadIdx.x] = value;
  __syncthreads();
  for (unsigned step = kThreads / 2; step > 0; step /= 2) {
    if (threadIdx.x < step) shared[threadIdx.x] += shared[threadIdx.x + step];
    __syncthreads();
  }
  const double total = shared[0];
  __syncthreads();
  return total;
}

/// out = factor(tau) · Σ partial, with factor = ±1/τ; one block.
void finish_tau(const Basis& basis, const double* partial, int64_t count, float* grad_tau, Stream stream);

}  // namespace kaem::ops::cuda
