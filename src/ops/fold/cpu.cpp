#include <ATen/ATen.h>

#include "ops/cpu/parallel.h"
#include "ops/fold/op.h"
#include "ops/simd/table.h"

namespace kaem::ops {
namespace {

Tensor fold_forward_cpu(const Optional& base_weight, const Tensor& spline_weight, const Tensor& coefficients) {
  const int64_t inputs = coefficients.size(0), functions = coefficients.size(1), outputs = coefficients.size(2);
  const int64_t features = functions + (base_weight.has_value() ? 1 : 0);
  const Tensor spline = spline_weight.contiguous(), c = coefficients.contiguous();
  const Tensor base = base_weight.has_value() ? base_weight->contiguous() : Tensor();
  Tensor out = at::empty({inputs, features, outputs}, c.options());
  float* to = out.mutable_data_ptr<float>();
  const float *s = spline.const_data_ptr<float>(), *from = c.const_data_ptr<float>();
  const float* last = base.defined() ? base.const_data_ptr<float>() : nullptr;
  const simd::Kernels& kernels = simd::kernels();
  cpu::parallel(inputs, std::max<int64_t>(1, 32768 / (features * outputs + 1)), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      float* rows = to + i * features * outputs;
      kernels.fold(s + i * outputs, from + i * functions * outputs, functions, outputs, rows);
      if (last != nullptr) std::copy_n(last + i * outputs, outputs, rows + functions * outputs);
    }
  });
  return out;
}

void fold_backward_cpu(const Tensor& grad_in, const Tensor& spline_weight, const Tensor& coefficients,
                       const Optional& base_out, const Optional& spline_out, const Optional& coefficients_out) {
  const int64_t inputs = coefficients.size(0), functions = coefficients.size(1), outputs = coefficients.size(2);
  const Tensor grad = grad_in.contiguous(), spline = spline_weight.contiguous(), c = coefficients.contiguous();
  const int64_t features = grad.size(1);
  const auto target = [](const Optional& out) {
    TORCH_CHECK(!out || out->is_contiguous(), "fold_backward: expected contiguous results");
    return out ? out->mutable_data_ptr<float>() : nullptr;
  };
  const float *g = grad.const_data_ptr<float>(), *s = spline.const_data_ptr<float>(), *from = c.const_data_ptr<float>();
  float *to_base = target(base_out), *to_spline = target(spline_out), *to_c = target(coefficients_out);
  const simd::Kernels& kernels = simd::kernels();
  cpu::parallel(inputs, std::max<int64_t>(1, 32768 / (features * outputs + 1)), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const float* rows = g + i * features * outputs;
      kernels.fold_backward(rows, s + i * outputs, from + i * functions * outputs, functions, outputs,
                            to_c ? to_c + i * functions * outputs : nullptr,
                            to_spline ? to_spline + i * outputs : nullptr);
      if (to_base) std::copy_n(rows + functions * outputs, outputs, to_base + i * outputs);
    }
  });
}

}  // namespace

TORCH_LIBRARY_IMPL(kaem, CPU, m) {
  raw::fold_forward.add(m, fold_forward_cpu);
  raw::fold_backward.add(m, fold_backward_cpu);
}

}  // namespace kaem::ops
