#include <ATen/ATen.h>

#include "ops/basis/op.h"
#include "ops/cpu/parallel.h"
#include "ops/cpu/plan.h"

namespace kaem::ops {
namespace {

using cpu::Plan;

constexpr int64_t kRowBlock = 64,
                  kInputBlock = 16;  // a task: fixed, so that sums do not depend on the number of threads

/// Tasks over blocks of rows and inputs.
struct Blocks {
  int64_t rows, inputs;
  int64_t across() const { return (inputs + kInputBlock - 1) / kInputBlock; }
  int64_t count() const { return (rows + kRowBlock - 1) / kRowBlock * across(); }
  simd::BasisRange range(int64_t task, const Tensor& x, const Tensor& cell) const {
    const int64_t row = task / across() * kRowBlock, input = task % across() * kInputBlock;
    return {x.const_data_ptr<float>(),
            cell.defined() ? cell.const_data_ptr<float>() : nullptr,
            inputs,
            row,
            std::min(rows, row + kRowBlock),
            input,
            std::min(inputs, input + kInputBlock)};
  }
};

/// Tasks that are worth a thread's start.
int64_t grain(const simd::Basis& b) { return std::max<int64_t>(1, 16384 / (kRowBlock * kInputBlock * b.features)); }

Tensor basis_of_order(const Tensor& x_in, const Optional& cell_in, const Tensor& knots, const Tensor& tau, Spec spec,
                      int64_t order) {
  const Tensor x = x_in.contiguous(), cell = cell_in.has_value() ? cell_in->contiguous() : Tensor();
  const Plan plan(knots, tau, spec_of(spec));
  const simd::Basis& b = plan.basis();
  Tensor out = at::empty({x.size(0), x.size(1), b.features}, x.options());
  float* to = out.mutable_data_ptr<float>();
  const Blocks blocks{x.size(0), x.size(1)};
  const simd::Kernels& kernels = simd::kernels();
  cpu::parallel(blocks.count(), grain(b), [&](int64_t begin, int64_t end) {
    float* scratch = cpu::scratch(kernels.basis_scratch(b));
    for (int64_t task = begin; task < end; ++task) kernels.basis(b, blocks.range(task, x, cell), order, to, scratch);
  });
  return out;
}

Tensor basis_forward_cpu(const Tensor& x, const Optional& cell, const Tensor& knots, const Tensor& tau, Spec spec) {
  return basis_of_order(x, cell, knots, tau, spec, 0);
}

Tensor basis_derivative_cpu(const Tensor& x, const Tensor& knots, const Tensor& tau, Spec spec) {
  return basis_of_order(x, {}, knots, tau, spec, 1);
}

/// t [N,I,F], contiguous. What comes out of the table's products has the rows innermost, and LibTorch copies such a
/// tensor an element at a time.
Tensor rows_outermost(const Tensor& t) {
  if (t.is_contiguous() || !t.permute({1, 2, 0}).is_contiguous()) return t.contiguous();
  constexpr int64_t kRows = 64;  // a task's
  const int64_t rows = t.size(0), columns = t.size(1) * t.size(2);
  Tensor out = at::empty(t.sizes(), t.options());
  const float* from = t.const_data_ptr<float>();
  float* to = out.mutable_data_ptr<float>();
  const simd::Kernels& kernels = simd::kernels();
  cpu::parallel(
      (rows + kRows - 1) / kRows, std::max<int64_t>(1, 16384 / (kRows * columns + 1)), [&](int64_t begin, int64_t end) {
        for (int64_t row = begin * kRows; row < std::min(rows, end * kRows); row += kRows)
          kernels.transpose(from + row, rows, columns, std::min(kRows, rows - row), to + row * columns, columns);
      });
  return out;
}

std::tuple<Tensor, Tensor> basis_backward_cpu(const Tensor& grad_in, const Tensor& x_in, const Optional& cell_in,
                                              const Tensor& knots, const Tensor& tau, Spec spec,
                                              std::array<bool, 2> wanted) {
  const Tensor x = x_in.contiguous(), cell = cell_in.has_value() ? cell_in->contiguous() : Tensor();
  const Plan plan(knots, tau, spec_of(spec));
  const simd::Basis& b = plan.basis();
  Tensor grad_x = wanted[0] ? at::empty_like(x) : Tensor(), grad_tau = wanted[1] ? at::zeros_like(tau) : Tensor();
  if (!wanted[0] && plan.tau_factor() == 0.0) return {grad_x, grad_tau};
  const Tensor grad = rows_outermost(grad_in);
  const float* from = grad.const_data_ptr<float>();
  float* to = wanted[0] ? grad_x.mutable_data_ptr<float>() : nullptr;
  const Blocks blocks{x.size(0), x.size(1)};
  const simd::Kernels& kernels = simd::kernels();
  std::vector<double> sums(static_cast<size_t>(blocks.count()));
  cpu::parallel(blocks.count(), grain(b), [&](int64_t begin, int64_t end) {
    float* scratch = cpu::scratch(kernels.basis_scratch(b));
    for (int64_t task = begin; task < end; ++task) {
      sums[static_cast<size_t>(task)] = kernels.basis_backward(b, blocks.range(task, x, cell), from, to, scratch);
    }
  });
  double total = 0.0;
  for (const double s : sums) total += s;
  if (wanted[1]) grad_tau.fill_(total * plan.tau_factor());
  return {grad_x, grad_tau};
}

}  // namespace

TORCH_LIBRARY_IMPL(kaem, CPU, m) {
  raw::basis_forward.add(m, basis_forward_cpu);
  raw::basis_derivative.add(m, basis_derivative_cpu);
  raw::basis_backward.add(m, basis_backward_cpu);
}

}  // namespace kaem::ops
