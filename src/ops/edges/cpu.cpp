// Fused CPU kernels of the prior's edges. A task is a block of edges, fixed whatever the number of threads, so that
// every sum has one order; samples come in chunks that stay in the second cache.
#include <ATen/ATen.h>

#include <algorithm>

#include "ops/cpu/parallel.h"
#include "ops/cpu/plan.h"
#include "ops/edges/op.h"

namespace kaem::ops {
namespace {

using cpu::Plan;

constexpr int64_t kLeastBlock = 16, kMostBlock = 64, kTasks = 32, kSampleChunk = 512;

/// Blocks of edges: whole cache lines of z, a few of them where there are edges enough for all threads.
struct EdgeBlocks {
  int64_t q_count, p_count;
  int64_t edges() const { return q_count * p_count; }
  int64_t size() const { return std::clamp(edges() / kTasks / kLeastBlock * kLeastBlock, kLeastBlock, kMostBlock); }
  int64_t count() const { return (edges() + size() - 1) / size(); }
  simd::EdgeRange range(int64_t task, const float* z, const float* weights, const int32_t* rows,
                        int64_t row_count) const {
    const int64_t begin = task * size();
    return {z, weights, rows, row_count, q_count, p_count, begin, std::min(edges(), begin + size())};
  }
};

/// The scratch of any task: the first is the largest.
int64_t scratch_floats(const simd::Basis& b, const EdgeBlocks& blocks, int64_t rows) {
  return simd::kernels().edge_scratch(b, blocks.range(0, nullptr, nullptr, nullptr, rows));
}

Tensor edge_sum_forward_cpu(const Tensor& z_in, const Tensor& knots, const Tensor& tau, const Tensor& weights_in,
                            Spec spec) {
  const Tensor z = z_in.contiguous(), weights = weights_in.contiguous();
  const int64_t samples = z.size(0), row = z.size(1) * z.size(2);
  const Plan plan(knots, tau, spec_of(spec), z.size(2));
  const simd::Basis& b = plan.basis();
  Tensor out = at::zeros({samples}, z.options());
  if (samples == 0 || row == 0) return out;
  const EdgeBlocks blocks{z.size(1), z.size(2)};
  const simd::Kernels& kernels = simd::kernels();
  const int64_t chunk = std::min(samples, kSampleChunk);
  std::vector<float> sums(static_cast<size_t>(blocks.count() * chunk));
  const float *from = z.const_data_ptr<float>(), *w = weights.const_data_ptr<float>();
  float* to = out.mutable_data_ptr<float>();
  for (int64_t first = 0; first < samples; first += chunk) {
    const int64_t count = std::min(chunk, samples - first);
    cpu::parallel(blocks.count(), 1, [&](int64_t begin, int64_t end) {
      float* scratch = cpu::scratch(scratch_floats(b, blocks, count));
      for (int64_t task = begin; task < end; ++task) {
        kernels.edge_sum(b, blocks.range(task, from + first * row, w, nullptr, count), sums.data() + task * chunk,
                         scratch);
      }
    });
    for (int64_t s = 0; s < count; ++s) {
      double total = 0.0;
      for (int64_t task = 0; task < blocks.count(); ++task) total += sums[static_cast<size_t>(task * chunk + s)];
      to[first + s] = static_cast<float>(total);
    }
  }
  return out;
}

std::tuple<Tensor, Tensor, Tensor> edge_sum_backward_cpu(const Tensor& grad_in, const Tensor& z_in, const Tensor& knots,
                                                         const Tensor& tau, const Tensor& weights_in, Spec spec,
                                                         std::array<bool, 3> wanted) {
  const Tensor z = z_in.contiguous(), weights = weights_in.contiguous(), grad = grad_in.contiguous();
  const Plan plan(knots, tau, spec_of(spec), z.size(2));
  const simd::Basis& b = plan.basis();
  const bool want_tau = wanted[1] && plan.tau_factor() != 0.0;
  Tensor grad_z = wanted[0] ? at::zeros_like(z) : Tensor(), grad_tau = wanted[1] ? at::zeros_like(tau) : Tensor();
  Tensor grad_weights = wanted[2] ? at::zeros_like(weights) : Tensor();
  // Samples without a gradient cost nothing: importance weights leave few of them.
  std::vector<int32_t> rows;
  std::vector<float> packed;
  const float* g = grad.const_data_ptr<float>();
  for (int64_t s = 0; s < z.size(0); ++s) {
    if (g[s] != 0.0F) rows.push_back(static_cast<int32_t>(s)), packed.push_back(g[s]);
  }
  if (!wanted[0] && !want_tau && !wanted[2]) rows.clear();
  const EdgeBlocks blocks{z.size(1), z.size(2)};
  const simd::Kernels& kernels = simd::kernels();
  const float *from = z.const_data_ptr<float>(), *w = weights.const_data_ptr<float>();
  float* to_weights = wanted[2] ? grad_weights.mutable_data_ptr<float>() : nullptr;
  float* to_z = wanted[0] ? grad_z.mutable_data_ptr<float>() : nullptr;
  std::vector<double> sums(static_cast<size_t>(blocks.count()));
  const auto listed = static_cast<int64_t>(rows.size());
  for (int64_t first = 0; first < listed; first += kSampleChunk) {
    const int64_t count = std::min(kSampleChunk, listed - first);
    cpu::parallel(blocks.count(), 1, [&](int64_t begin, int64_t end) {
      float* scratch = cpu::scratch(scratch_floats(b, blocks, count));
      for (int64_t task = begin; task < end; ++task) {
        sums[static_cast<size_t>(task)] +=
            kernels.edge_sum_backward(b, blocks.range(task, from, w, rows.data() + first, count), packed.data() + first,
                                      to_weights, to_z, want_tau, scratch);
      }
    });
  }
  double total = 0.0;
  for (const double s : sums) total += s;
  if (want_tau) grad_tau.fill_(total * plan.tau_factor());
  return {grad_z, grad_tau, grad_weights};
}

Tensor edge_values_cpu(const Tensor& z_in, const Tensor& knots, const Tensor& tau, const Tensor& weights_in, Spec spec,
                       int64_t order) {
  const Tensor z = z_in.contiguous(), weights = weights_in.contiguous();
  const int64_t samples = z.size(0), row = z.size(1) * z.size(2);
  const Plan plan(knots, tau, spec_of(spec), z.size(2));
  const simd::Basis& b = plan.basis();
  Tensor out = at::empty_like(z);
  const EdgeBlocks blocks{z.size(1), z.size(2)};
  const simd::Kernels& kernels = simd::kernels();
  const float *from = z.const_data_ptr<float>(), *w = weights.const_data_ptr<float>();
  float* to = out.mutable_data_ptr<float>();
  for (int64_t first = 0; first < samples && row > 0; first += kSampleChunk) {
    const int64_t count = std::min(kSampleChunk, samples - first);
    cpu::parallel(blocks.count(), 1, [&](int64_t begin, int64_t end) {
      float* scratch = cpu::scratch(scratch_floats(b, blocks, count));
      for (int64_t task = begin; task < end; ++task) {
        kernels.edge_values(b, blocks.range(task, from + first * row, w, nullptr, count), order, to + first * row,
                            scratch);
      }
    });
  }
  return out;
}

}  // namespace

TORCH_LIBRARY_IMPL(kaem, CPU, m) {
  raw::edge_sum_forward.add(m, edge_sum_forward_cpu);
  raw::edge_sum_backward.add(m, edge_sum_backward_cpu);
  raw::edge_values.add(m, edge_values_cpu);
}

}  // namespace kaem::ops
