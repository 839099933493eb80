#pragma once

// What the .cu files share: sizes of launches, a grid per input, sums over a block.

#include <cuda_runtime.h>

#include <type_traits>

#include "ops/basis/cuda.h"
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

/// Calls launch(kind) with the kind as a type: kernels for one kind, in which its formula stands alone, take half the
/// time of one for all.
template <class Launch>
void with_kind(int64_t kind, Launch launch) {
  switch (static_cast<BasisKind>(kind)) {
#define KAEM_ROW(name, word, family) \
  case BasisKind::k##name:           \
    return launch(std::integral_constant<int64_t, math::k##name>());
    KAEM_BASES(KAEM_ROW)
#undef KAEM_ROW
  }
}

/// The row of knots of the edge (q,p).
__device__ inline int64_t row_of(const Basis& b, int64_t p, int64_t q) {
  return b.row_stride == 1 ? p : p * b.row_stride + q;
}

template <int64_t kind>
__device__ inline math::Grid<float> grid_of(const Basis& b, int64_t row) {
  return {kind,          b.degree,
          b.activation,  b.intervals,
          b.functions,   b.knots + row * math::knot_count(kind, b.intervals),
          b.scales[row], b.scales[b.rows + row]};
}

constexpr int kWarp = 32;

/// Sum over `lanes` neighbouring threads (a power of two), for all of them.
template <int lanes>
__device__ inline float lane_sum(float value) {
  for (int step = lanes / 2; step > 0; step /= 2) value += __shfl_xor_sync(0xffffffffU, value, step);
  return value;
}

/// Sum over the block, in a fixed order; the result is thread 0's.
__device__ inline double block_sum(double value) {
  __shared__ double shared[kThreads / kWarp];
  for (int step = kWarp / 2; step > 0; step /= 2) value += __shfl_down_sync(0xffffffffU, value, step);
  if (threadIdx.x % kWarp == 0) shared[threadIdx.x / kWarp] = value;
  __syncthreads();
  double total = 0.0;
  if (threadIdx.x == 0)
    for (int i = 0; i < kThreads / kWarp; ++i) total += shared[i];
  __syncthreads();
  return total;
}

/// out = factor(tau) · Σ partial, with factor = ±1/τ; one block.
void finish_tau(const Basis& basis, const double* partial, int64_t count, float* grad_tau, Stream stream);

}  // namespace kaem::ops::cuda
