#include "generator/transposed_convolution.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/custom_function.h>

namespace kaem::network {
namespace {

using at::Tensor;

/// Up to so many numbers that a pixel adds to: the last layers, which give few channels. LibTorch's convolution takes
/// several times as long for them as a matrix product and the sums of its columns.
constexpr int64_t kFewColumns = 64;

bool by_columns(const Tensor& x, const Tensor& weight) {
  return x.is_cpu() && x.scalar_type() == at::kFloat && weight[0].numel() <= kFewColumns;
}

Tensor plain(const Tensor& x, const Tensor& weight, const Tensor& bias, int64_t stride, int64_t padding) {
  return at::conv_transpose2d(x, weight, bias, {stride, stride}, {padding, padding});
}

Tensor through_columns(const Tensor& x, const Tensor& weight, const Tensor& bias, int64_t stride, int64_t padding) {
  const int64_t k = weight.size(2), height = (x.size(2) - 1) * stride - 2 * padding + k,
                width = (x.size(3) - 1) * stride - 2 * padding + k;
  // [out·k·k, in] times [n, in, h·w]
  const Tensor columns = at::matmul(weight.flatten(1).t(), x.flatten(2));
  return at::col2im(columns, {height, width}, {k, k}, {1, 1}, {padding, padding}, {stride, stride})
      .add_(bias.reshape({1, -1, 1, 1}));
}

struct ByColumns : torch::autograd::Function<ByColumns> {
  static Tensor forward(torch::autograd::AutogradContext* ctx, const Tensor& x, const Tensor& weight,
                        const Tensor& bias, int64_t stride, int64_t padding) {
    ctx->save_for_backward({x, weight});
    ctx->saved_data["stride"] = stride, ctx->saved_data["padding"] = padding;
    return through_columns(x, weight, bias, stride, padding);
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx,
                                                 torch::autograd::variable_list grads) {
    TORCH_CHECK_NOT_IMPLEMENTED(!c10::GradMode::is_enabled(), "transposed_convolution: no second derivatives");
    const auto saved = ctx->get_saved_variables();
    const int64_t stride = ctx->saved_data["stride"].toInt(), padding = ctx->saved_data["padding"].toInt();
    auto [x, weight, bias] = at::convolution_backward(
        grads[0], saved[0], saved[1], at::IntArrayRef({saved[1].size(1)}), {stride, stride}, {padding, padding}, {1, 1},
        /*transposed=*/true, {0, 0}, /*groups=*/1,
        {ctx->needs_input_grad(0), ctx->needs_input_grad(1), ctx->needs_input_grad(2)});
    return {x, weight, bias, {}, {}};
  }
};

}  // namespace

Tensor transposed_convolution(const Tensor& x, const Tensor& weight, const Tensor& bias, int64_t stride,
                              int64_t padding) {
  if (!by_columns(x, weight)) return plain(x, weight, bias, stride, padding);
  if (c10::GradMode::is_enabled() && (x.requires_grad() || weight.requires_grad() || bias.requires_grad()))
    return ByColumns::apply(x, weight, bias, stride, padding);
  return through_columns(x, weight, bias, stride, padding);
}

Tensor transposed_convolution_pullback(const Tensor& grad, const Tensor& weight, int64_t stride, int64_t padding) {
  return at::conv2d(grad, weight, {}, {stride, stride}, {padding, padding});
}

}  // namespace kaem::network
