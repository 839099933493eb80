#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "ops/cpu/parallel.h"
#include "ops/inverse/op.h"
#include "ops/simd/table.h"

namespace kaem::ops {
namespace {

/// A table's tensors, contiguous, with every component's range inside them.
struct Table {
  Tensor cells, cdf_offset, slope_offset, edge_offset, cdf, slope, edges;

  Table(const char* op, at::TensorList t)
      : cells(t[0].contiguous()),
        cdf_offset(t[1].contiguous()),
        slope_offset(t[2].contiguous()),
        edge_offset(t[3].contiguous()),
        cdf(t[4].contiguous()),
        slope(t[5].contiguous()),
        edges(t[6].contiguous()) {
    const int64_t *n = cells.const_data_ptr<int64_t>(), *f = cdf_offset.const_data_ptr<int64_t>(),
                  *s = slope_offset.const_data_ptr<int64_t>(), *e = edge_offset.const_data_ptr<int64_t>();
    for (int64_t c = 0; c < cells.numel(); ++c) {
      const bool inside = n[c] > 0 && f[c] >= 0 && s[c] >= 0 && e[c] >= 0 && f[c] + n[c] < cdf.numel() &&
                          s[c] + n[c] <= slope.numel() && e[c] + n[c] < edges.numel();
      TORCH_CHECK_VALUE(inside, op, ": the table of component ", c, " (", n[c], " cells) reaches beyond its values");
    }
  }
};

Tensor inverse_cdf_cpu(const Tensor& u_in, at::TensorList table) {
  const Table t("inverse_cdf", table);
  const Tensor u = u_in.contiguous();
  Tensor z = at::empty_like(u);
  const int64_t samples = u.size(0), components = u.size(1);
  if (u.numel() == 0) return z;
  const simd::InverseRange range{u.const_data_ptr<float>(),
                                 z.mutable_data_ptr<float>(),
                                 components,
                                 samples,
                                 0,
                                 components,
                                 t.cells.const_data_ptr<int64_t>(),
                                 t.cdf_offset.const_data_ptr<int64_t>(),
                                 t.slope_offset.const_data_ptr<int64_t>(),
                                 t.edge_offset.const_data_ptr<int64_t>(),
                                 t.cdf.const_data_ptr<float>(),
                                 t.slope.const_data_ptr<float>(),
                                 t.edges.const_data_ptr<float>()};
  // Blocks whose transposed copy stays in the first cache; a row of one is a few whole cache lines of u and of z. Tasks
  // run along the components first, so that u and z are walked through a few neighbouring rows at a time.
  constexpr int64_t kComponents = 64, kSamples = 128;
  const int64_t across = (components + kComponents - 1) / kComponents, down = (samples + kSamples - 1) / kSamples;
  const simd::Kernels& kernels = simd::kernels();
  cpu::parallel(across * down, std::max<int64_t>(1, 4096 / (kComponents * std::min(samples, kSamples))),
                [&](int64_t begin, int64_t end) {
                  float* scratch = cpu::scratch(kernels.inverse_scratch(kComponents, std::min(samples, kSamples)));
                  for (int64_t task = begin; task < end; ++task) {
                    simd::InverseRange own = range;
                    const int64_t first = task / across * kSamples;
                    own.begin = task % across * kComponents;
                    own.end = std::min(components, own.begin + kComponents);
                    own.samples = std::min(kSamples, samples - first);
                    own.u += first * components;
                    own.z += first * components;
                    kernels.inverse_cdf(own, scratch);
                  }
                });
  return z;
}

/// F of a component at z, in float64: this direction serves checks and conversions, not the training step.
double distribution(const float* cdf, const float* slope, const float* edges, int64_t cells, float z) {
  int64_t low = 0, high = cells;
  while (high - low > 1) {
    const int64_t middle = (low + high) / 2;
    (edges[middle] <= z ? low : high) = middle;
  }
  const double start = edges[low], end = edges[low + 1], y = std::min(1.0, std::max(0.0, (z - start) / (end - start)));
  const double d = slope[low], down = -std::fabs(d), mirrored = d > 0 ? 1.0 - y : y;
  const double part = down > -1e-6 ? mirrored : std::expm1(down * mirrored) / std::expm1(down);
  return cdf[low] + (d > 0 ? 1.0 - part : part) * (static_cast<double>(cdf[low + 1]) - cdf[low]);
}

Tensor forward_cdf_cpu(const Tensor& z_in, at::TensorList table) {
  const Table t("forward_cdf", table);
  const Tensor z = z_in.contiguous();
  Tensor u = at::empty_like(z);
  const float *from = z.const_data_ptr<float>(), *f = t.cdf.const_data_ptr<float>(),
              *s = t.slope.const_data_ptr<float>(), *e = t.edges.const_data_ptr<float>();
  const int64_t *n = t.cells.const_data_ptr<int64_t>(), *f_at = t.cdf_offset.const_data_ptr<int64_t>(),
                *s_at = t.slope_offset.const_data_ptr<int64_t>(), *e_at = t.edge_offset.const_data_ptr<int64_t>();
  float* to = u.mutable_data_ptr<float>();
  const int64_t components = z.size(1);
  cpu::parallel(z.numel(), 4096, [&](int64_t begin, int64_t end) {
    for (int64_t j = begin; j < end; ++j) {
      const int64_t c = j % components;
      to[j] = static_cast<float>(distribution(f + f_at[c], s + s_at[c], e + e_at[c], n[c], from[j]));
    }
  });
  return u;
}

}  // namespace

TORCH_LIBRARY_IMPL(kaem, CPU, m) {
  raw::inverse_cdf.add(m, inverse_cdf_cpu);
  raw::forward_cdf.add(m, forward_cdf_cpu);
}

}  // namespace kaem::ops
