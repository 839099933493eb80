// Compiled without fused multiply-adds (CMakeLists.txt), so that the numbers are those of the processor to the last
// bit.
#include "ops/cuda/launch.cuh"
#include "ops/move/cuda.h"

namespace kaem::ops::cuda {
namespace {

__global__ void move_kernel(Move m, float* out) {
  for (int64_t j = first_element(); j < m.count; j += element_step()) {
    const float t = m.temperature[m.temperatures == 1 ? 0 : j / m.level_size];
    float drift = m.prior[j];
    if (m.likelihood != nullptr && t != 0) drift += t * m.likelihood[j / m.repeat];
    out[j] = math::reflect(m.z[j] + (m.step * drift + m.spread * m.noise[j]), m.lower, m.upper);
  }
}

}  // namespace

void langevin_move(const Move& m, float* out, Stream stream) {
  move_kernel<<<blocks_for(m.count), kThreads, 0, stream>>>(m, out);
}

}  // namespace kaem::ops::cuda
