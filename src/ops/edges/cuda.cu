#include "ops/cuda/launch.cuh"
#include "ops/edges/cuda.h"

namespace kaem::ops::cuda {
namespace {

/// f or f' of the edge (q,p) at x.
template <int64_t kind>
__device__ inline float edge(const Basis& b, const float* weights, int64_t q, int64_t p, int64_t outputs, float x,
                             int order) {
  const math::Grid<float> grid = grid_of<kind>(b, row_of(b, p, q));
  const float* w = weights + p * b.features * outputs + q;
  float total = 0.0F;
  for (int64_t f = 0; f < b.features; ++f) total += w[f * outputs] * math::feature(grid, x, x, f, order);
  return total;
}

/// A block per sample; neighbouring threads share p and read neighbouring weights.
template <int64_t kind>
__global__ void sum_kernel(Basis b, const float* z, const float* weights, int64_t samples, int64_t outputs,
                           float* out) {
  const int64_t edges = outputs * b.inputs;
  for (int64_t s = blockIdx.x; s < samples; s += gridDim.x) {
    double own = 0.0;
    for (int64_t e = threadIdx.x; e < edges; e += kThreads) {
      const int64_t p = e / outputs, q = e - p * outputs;
      own += static_cast<double>(edge<kind>(b, weights, q, p, outputs, z[(s * outputs + q) * b.inputs + p], 0));
    }
    const double sum = block_sum(own);
    if (threadIdx.x == 0) out[s] = static_cast<float>(sum);
  }
}

constexpr int kTileInputs = 8, kTileOutputs = kThreads / kTileInputs;

/// A block per tile of a sample's points. Points lie with p innermost, weights, of which there are many more, with q:
/// threads take the points as they lie and change places, so that neighbours read neighbouring weights.
template <int64_t kind>
__global__ void values_kernel(Basis b, const float* z, const float* weights, const float* grad, int64_t samples,
                              int64_t outputs, int order, float* out) {
  __shared__ float tile[kTileOutputs][kTileInputs + 1];
  const int64_t across = (b.inputs + kTileInputs - 1) / kTileInputs;
  const int64_t tiles = across * ((outputs + kTileOutputs - 1) / kTileOutputs);
  const int row = threadIdx.x / kTileInputs, column = threadIdx.x % kTileInputs;     // where a point lies
  const int own_q = threadIdx.x % kTileOutputs, own_p = threadIdx.x / kTileOutputs;  // which edge a thread takes
  for (int64_t t = blockIdx.x; t < samples * tiles; t += gridDim.x) {
    const int64_t s = t / tiles, q0 = t % tiles / across * kTileOutputs, p0 = t % tiles % across * kTileInputs;
    const int64_t at = (s * outputs + q0 + row) * b.inputs + p0 + column;
    const bool held = q0 + row < outputs && p0 + column < b.inputs;
    if (held) tile[row][column] = z[at];
    __syncthreads();
    const int64_t q = q0 + own_q, p = p0 + own_p;
    const float scale = grad ? grad[s] : 1.0F;
    float value = 0.0F;
    if (q < outputs && p < b.inputs && scale != 0.0F)
      value = scale * edge<kind>(b, weights, q, p, outputs, tile[own_q][own_p], order);
    __syncthreads();
    tile[own_q][own_p] = value;
    __syncthreads();
    if (held) out[at] = tile[row][column];
    __syncthreads();
  }
}

/// A thread per weight: no two add to the same one, and samples are added in order.
template <int64_t kind>
__global__ void weights_kernel(Basis b, const float* z, const float* grad, int64_t samples, int64_t outputs,
                               float* to) {
  const int64_t count = b.inputs * b.features * outputs;
  for (int64_t j = first_element(); j < count; j += element_step()) {
    const int64_t q = j % outputs, f = j / outputs % b.features, p = j / outputs / b.features;
    const math::Grid<float> grid = grid_of<kind>(b, row_of(b, p, q));
    float total = 0.0F;
    for (int64_t s = 0; s < samples; ++s) {
      const float g = grad[s];
      if (g == 0.0F) continue;
      const float x = z[(s * outputs + q) * b.inputs + p];
      total += g * math::feature(grid, x, x, f, 0);
    }
    to[j] = total;
  }
}

template <int64_t kind>
__global__ void tau_kernel(Basis b, const float* z, const float* weights, const float* grad, int64_t count,
                           int64_t outputs, double* partial) {
  double tau = 0.0;
  for (int64_t j = first_element(); j < count; j += element_step()) {
    const int64_t q = j % outputs, p = j / outputs % b.inputs, s = j / outputs / b.inputs;
    const float g = grad[s], x = z[(s * outputs + q) * b.inputs + p];
    if (g == 0.0F) continue;
    const math::Grid<float> grid = grid_of<kind>(b, row_of(b, p, q));
    const float* w = weights + p * b.features * outputs + q;
    float sum = 0.0F;
    for (int64_t f = 0; f < b.functions; ++f) {
      sum += w[f * outputs] * math::feature(grid, x, x, f, 1) * math::tau_distance(grid, x, f);
    }
    tau += static_cast<double>(g * sum);
  }
  const double sum = block_sum(tau);
  if (threadIdx.x == 0) partial[blockIdx.x] = sum;
}

}  // namespace

void edge_sum(const Basis& b, const float* z, const float* weights, int64_t samples, int64_t outputs, float* out,
              Stream stream) {
  const int64_t blocks = samples < 65535 ? samples : 65535;
  with_kind(b.kind, [&](auto kind) {
    sum_kernel<kind()><<<static_cast<unsigned>(blocks), kThreads, 0, stream>>>(b, z, weights, samples, outputs, out);
  });
}

void edge_values(const Basis& b, const float* z, const float* weights, const float* grad, int64_t samples,
                 int64_t outputs, int order, float* out, Stream stream) {
  const int64_t tiles = (b.inputs + kTileInputs - 1) / kTileInputs * ((outputs + kTileOutputs - 1) / kTileOutputs);
  with_kind(b.kind, [&](auto kind) {
    values_kernel<kind()><<<blocks_for(samples * tiles * kThreads), kThreads, 0, stream>>>(b, z, weights, grad, samples,
                                                                                           outputs, order, out);
  });
}

void edge_weight_gradient(const Basis& b, const float* z, const float* grad, int64_t samples, int64_t outputs,
                          float* grad_weights, Stream stream) {
  const int64_t count = b.inputs * b.features * outputs;
  with_kind(b.kind, [&](auto kind) {
    weights_kernel<kind()><<<blocks_for(count), kThreads, 0, stream>>>(b, z, grad, samples, outputs, grad_weights);
  });
}

void edge_tau_gradient(const Basis& b, const float* z, const float* weights, const float* grad, int64_t samples,
                       int64_t outputs, float* grad_tau, double* partial, Stream stream) {
  const int64_t count = samples * outputs * b.inputs;
  with_kind(b.kind, [&](auto kind) {
    tau_kernel<kind()><<<blocks_for(count), kThreads, 0, stream>>>(b, z, weights, grad, count, outputs, partial);
  });
  finish_tau(b, partial, blocks_for(count), grad_tau, stream);
}

}  // namespace kaem::ops::cuda
