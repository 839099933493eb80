#include "ops/cuda/launch.cuh"

namespace kaem::ops::cuda {
namespace {

__global__ void prepare_kernel(Basis b) {
  for (int64_t i = first_element(); i < b.rows; i += element_step()) {
    const float* knots = b.knots + i * math::knot_count(b.kind, b.intervals);
    const double scale = math::grid_scale(b.kind, b.intervals, knots[0], knots[b.intervals], *b.tau);
    b.scales[i] = static_cast<float>(scale);
    b.scales[b.rows + i] = static_cast<float>(scale - static_cast<double>(b.scales[i]));
  }
}

/// A thread per feature: stores are contiguous.
template <int64_t kind>
__global__ void basis_kernel(Basis b, const float* x, const float* cell, int64_t count, int order, float* out) {
  for (int64_t j = first_element(); j < count; j += element_step()) {
    const int64_t at = j / b.features, f = j - at * b.features;
    const float value = x[at];
    out[j] = math::feature(grid_of<kind>(b, at % b.inputs), value, cell ? cell[at] : value, f, order);
  }
}

constexpr int kLanes = 8;  // threads that share an input value: they read neighbouring gradients

template <int64_t kind>
__global__ void backward_kernel(Basis b, const float* x, const float* cell, const float* grad, int64_t count,
                                float* grad_x, double* partial) {
  double tau = 0.0;
  const int lane = static_cast<int>(threadIdx.x % kLanes);
  const int64_t rounds = (count + element_step() / kLanes - 1) / (element_step() / kLanes);
  for (int64_t round = 0; round < rounds; ++round) {  // as many for every thread: a warp's sums need all of them
    const int64_t at = first_element() / kLanes + round * (element_step() / kLanes);
    float total = 0.0F, sum = 0.0F;
    if (at < count) {
      const math::Grid<float> grid = grid_of<kind>(b, at % b.inputs);
      const float value = x[at], where = cell ? cell[at] : value;
      for (int64_t f = lane; f < b.features; f += kLanes) {
        const float slope = grad[at * b.features + f] * math::feature(grid, value, where, f, 1);
        total += slope;
        sum += slope * math::tau_distance(grid, value, f);
      }
    }
    total = lane_sum<kLanes>(total);
    if (at < count && lane == 0 && grad_x) grad_x[at] = total;
    tau += static_cast<double>(sum);
  }
  if (partial == nullptr) return;
  const double sum = block_sum(tau);
  if (threadIdx.x == 0) partial[blockIdx.x] = sum;
}

__global__ void finish_tau_kernel(Basis b, const double* partial, int64_t count, float* grad_tau) {
  double own = 0.0;
  for (int64_t i = threadIdx.x; i < count; i += kThreads) own += partial[i];
  const double sum = block_sum(own);
  const double sign = b.kind == math::kFft ? 1.0 : -1.0;
  if (threadIdx.x == 0) *grad_tau = static_cast<float>(sign * sum / static_cast<double>(*b.tau));
}

}  // namespace

int64_t partial_sums(int64_t count) { return blocks_for(count * kLanes); }

void prepare(const Basis& b, Stream stream) { prepare_kernel<<<blocks_for(b.rows), kThreads, 0, stream>>>(b); }

void basis(const Basis& b, const float* x, const float* cell, int64_t rows, int order, float* out, Stream stream) {
  const int64_t count = rows * b.inputs * b.features;
  with_kind(b.kind, [&](auto kind) {
    basis_kernel<kind()><<<blocks_for(count), kThreads, 0, stream>>>(b, x, cell, count, order, out);
  });
}

void finish_tau(const Basis& b, const double* partial, int64_t count, float* grad_tau, Stream stream) {
  finish_tau_kernel<<<1, kThreads, 0, stream>>>(b, partial, count, grad_tau);
}

void basis_backward(const Basis& b, const float* x, const float* cell, const float* grad, int64_t rows, float* grad_x,
                    float* grad_tau, double* partial, Stream stream) {
  const int64_t count = rows * b.inputs;
  double* sums = grad_tau ? partial : nullptr;
  with_kind(b.kind, [&](auto kind) {
    backward_kernel<kind()><<<blocks_for(count * kLanes), kThreads, 0, stream>>>(b, x, cell, grad, count, grad_x, sums);
  });
  if (grad_tau) finish_tau(b, partial, blocks_for(count * kLanes), grad_tau, stream);
}

}  // namespace kaem::ops::cuda
