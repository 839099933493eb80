#include "ops/cells/cuda.h"
#include "ops/cuda/launch.cuh"

namespace kaem::ops::cuda {
namespace {

/// Integral of the exponential of a line over a width, and its derivatives in the values at the two ends.
struct Integral {
  float value, left, right;
};

/// φ1(-t) = (1 - e^-t)/t and ψ(-t) = (1 - e^-t (1 + t))/t², t >= 0: docs/mathematics.md section 2.
__device__ inline Integral log_linear(float l, float r, float width) {
  const float t = fabsf(l - r), peak = width * expf(fmaxf(l, r));
  const float phi1 = t < 1e-6F ? 1.0F : -expm1f(-t) / t;
  float psi;
  if (t < 0.25F)  // where the formula would cancel
    psi = 0.5F - t * (1 / 3.0F - t * (1 / 8.0F - t * (1 / 30.0F - t * (1 / 144.0F - t * (1 / 840.0F)))));
  else
    psi = (phi1 - expf(-t)) / t;
  const float value = peak * phi1, lower = peak * psi, upper = value - lower;
  return l < r ? Integral{value, lower, upper} : Integral{value, upper, lower};
}

struct Cell {
  float mass, gap, slope, left, middle, right;  // gap = |L2 - L1|, then the mass' derivatives in the three nodes
};

/// What is no number stays so, as in the reference implementation: it has to reach the loss.
__device__ inline float relative_to(float top, float value) {
  const float relative = value - top;
  return relative < -1000.0F ? -1000.0F : relative;
}

__device__ inline Cell integrate(const Cells& c, const float* nodes, const float* widths, float top, int64_t m) {
  const float* at = nodes + (c.split ? 3 : 2) * m;
  const float l = relative_to(top, at[0]), i = relative_to(top, at[1]), r = relative_to(top, at[2]);
  const float width = widths[m];
  const Integral whole = log_linear(l, r, width), first = log_linear(l, i, width / 2),
                 second = log_linear(i, r, width / 2);
  const float halves = first.value + second.value, refined = halves + (halves - whole.value) / 3, floor = halves / 2;
  const bool floored = refined < floor;
  const float outer = floored ? 0.0F : -1 / 3.0F, inner = floored ? 0.5F : 4 / 3.0F;
  return {floored ? floor : refined,
          fabsf(halves - whole.value),
          r - l,
          outer * whole.left + inner * first.left,
          inner * (first.right + second.left),
          outer * whole.right + inner * second.right};
}

/// Largest value of the block, for every thread.
__device__ inline float block_max(float value) {
  __shared__ float shared[kThreads];
  shared[threadIdx.x] = value;
  __syncthreads();
  for (unsigned step = kThreads / 2; step > 0; step /= 2) {
    if (threadIdx.x < step) shared[threadIdx.x] = fmaxf(shared[threadIdx.x], shared[threadIdx.x + step]);
    __syncthreads();
  }
  const float top = shared[0];
  __syncthreads();
  return top;
}

/// Sum over this and the threads before it, in one order; the last thread's is the block's.
__device__ inline double running_sum(double value) {
  __shared__ double shared[kThreads];
  shared[threadIdx.x] = value;
  __syncthreads();
  for (unsigned step = 1; step < kThreads; step *= 2) {
    const double before = threadIdx.x >= step ? shared[threadIdx.x - step] : 0.0;
    __syncthreads();
    shared[threadIdx.x] += before;
    __syncthreads();
  }
  const double sum = shared[threadIdx.x];
  __syncthreads();
  return sum;
}

/// A block per component. The masses are computed twice, before and after their sum is known: nothing is stored.
__global__ void masses_kernel(Cells c) {
  __shared__ double total;
  __shared__ float rights[kThreads + 1];  // derivatives in right edges, one cell further on
  for (int64_t component = blockIdx.x; component < c.components; component += gridDim.x) {
    const float* nodes = c.log_density + component * c.nodes;
    const float* widths = c.widths + component / c.rows_per_width * c.cells;
    float own = -INFINITY;
    for (int64_t k = threadIdx.x; k < c.nodes; k += kThreads) own = fmaxf(own, nodes[k]);
    own = block_max(own);
    const float top = own > -INFINITY ? own : 0.0F;
    double mass = 0.0, left_over = 0.0;
    float gap = 0.0F;
    for (int64_t m = threadIdx.x; m < c.cells; m += kThreads) {
      const Cell cell = integrate(c, nodes, widths, top, m);
      mass += static_cast<double>(cell.mass);
      gap = fmaxf(gap, cell.gap);
      left_over += static_cast<double>(fminf(cell.slope * cell.slope / 180, 2 / 3.0F) * cell.gap);
    }
    mass = block_sum(mass), left_over = block_sum(left_over), gap = block_max(gap);
    if (threadIdx.x == 0) {
      total = mass;
      c.log_normaliser[component] = static_cast<float>(log(mass) + static_cast<double>(top));
      c.error[component] = static_cast<float>(fmax(0.128 * static_cast<double>(gap), 3 * left_over) / mass);
      rights[0] = 0.0F;
    }
    __syncthreads();
    const double scale = total > 0.0 ? 1.0 / total : 0.0;
    float* cdf = c.cdf + component * (c.cells + 1);
    float* gradient = c.gradient == nullptr ? nullptr : c.gradient + component * c.nodes;
    const auto derivative = [scale](float value) { return value * static_cast<float>(scale); };
    double before = 0.0;  // mass of the cells before these
    for (int64_t first = 0; first < c.cells; first += kThreads) {
      const int64_t m = first + threadIdx.x;
      const bool inside = m < c.cells;
      const Cell cell = inside ? integrate(c, nodes, widths, top, m) : Cell{};
      const double sum = before + running_sum(static_cast<double>(cell.mass));
      if (inside) {
        c.slope[component * c.cells + m] = cell.slope;
        cdf[m + 1] = m + 1 == c.cells ? 1.0F : static_cast<float>(fmin(sum * scale, 1.0));
        if (m == 0) cdf[0] = 0.0F;
      }
      if (threadIdx.x == kThreads - 1) total = sum;
      rights[threadIdx.x + 1] = cell.right;
      __syncthreads();
      before = total;
      if (inside && gradient != nullptr) {
        if (c.split) {
          gradient[3 * m] = derivative(cell.left), gradient[3 * m + 1] = derivative(cell.middle);
          gradient[3 * m + 2] = derivative(cell.right);
        } else {
          gradient[2 * m] = derivative(cell.left + rights[threadIdx.x]);
          gradient[2 * m + 1] = derivative(cell.middle);
          if (m + 1 == c.cells) gradient[2 * m + 2] = derivative(cell.right);
        }
      }
      __syncthreads();
      if (threadIdx.x == 0) rights[0] = rights[kThreads];
      __syncthreads();
    }
  }
}

}  // namespace

void cell_masses(const Cells& c, Stream stream) {
  const int64_t blocks = c.components < 65535 ? c.components : 65535;
  masses_kernel<<<static_cast<unsigned>(blocks), kThreads, 0, stream>>>(c);
}

}  // namespace kaem::ops::cuda
