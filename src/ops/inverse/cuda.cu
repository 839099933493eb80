#include "ops/cuda/launch.cuh"
#include "ops/inverse/cuda.h"

namespace kaem::ops::cuda {
namespace {

/// The last of `cells` intervals that starts at or below x.
__device__ inline int64_t find_interval(const float* values, int64_t cells, float x) {
  int64_t low = 0, high = cells;
  while (high - low > 1) {
    const int64_t middle = (low + high) / 2;
    if (values[middle] <= x)
      low = middle;
    else
      high = middle;
  }
  return low;
}

__device__ inline float unit_clamp(float x) { return fminf(fmaxf(x, 0.0F), 1.0F); }

/// Neighbouring threads have neighbouring components: u and z are read and written in order.
__global__ void inverse_kernel(Table t, const float* u, int64_t count, int64_t components, float* z) {
  for (int64_t j = first_element(); j < count; j += element_step()) {
    const int64_t c = j % components;
    const float* cdf = t.cdf + t.cdf_offset[c];
    const float* edges = t.edges + t.edge_offset[c];
    const int64_t i = find_interval(cdf, t.cells[c], u[j]);
    const float d = t.slope[t.slope_offset[c] + i], down = -fabsf(d);
    const float part = unit_clamp((u[j] - cdf[i]) / fmaxf(cdf[i + 1] - cdf[i], 1e-30F)),
                mirrored = d > 0 ? 1.0F - part : part;
    const float y = down > -1e-6F ? mirrored : unit_clamp(log1pf(mirrored * expm1f(down)) / down);
    z[j] = edges[i] + (d > 0 ? 1.0F - y : y) * (edges[i + 1] - edges[i]);
  }
}

__global__ void forward_kernel(Table t, const float* z, int64_t count, int64_t components, float* u) {
  for (int64_t j = first_element(); j < count; j += element_step()) {
    const int64_t c = j % components;
    const float* cdf = t.cdf + t.cdf_offset[c];
    const float* edges = t.edges + t.edge_offset[c];
    const int64_t i = find_interval(edges, t.cells[c], z[j]);
    const float d = t.slope[t.slope_offset[c] + i], down = -fabsf(d);
    const float y = unit_clamp((z[j] - edges[i]) / (edges[i + 1] - edges[i])), mirrored = d > 0 ? 1.0F - y : y;
    const float part = down > -1e-6F ? mirrored : expm1f(down * mirrored) / expm1f(down);
    u[j] = cdf[i] + (d > 0 ? 1.0F - part : part) * (cdf[i + 1] - cdf[i]);
  }
}

}  // namespace

void inverse_cdf(const Table& table, const float* u, int64_t samples, int64_t components, float* z, Stream stream) {
  const int64_t count = samples * components;
  inverse_kernel<<<blocks_for(count), kThreads, 0, stream>>>(table, u, count, components, z);
}

void forward_cdf(const Table& table, const float* z, int64_t samples, int64_t components, float* u, Stream stream) {
  const int64_t count = samples * components;
  forward_kernel<<<blocks_for(count), kThreads, 0, stream>>>(table, z, count, components, u);
}

}  // namespace kaem::ops::cuda
