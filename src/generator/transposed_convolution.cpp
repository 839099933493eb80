#include "generator/transposed_convolution.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <vector>

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

/// Size of an image's side and of what is made of it.
struct Sides {
  int64_t in, out;
};

/// One image of one channel: adds columns [k,k,h,w] up to out [H,W], which starts from `bias`. Pixels whose columns
/// have the same remainder by the stride lie side by side in `rows`, so that all additions are of neighbours.
void sum_columns(const float* columns, Sides height, Sides width, int64_t k, int64_t stride, int64_t padding,
                 float bias, std::vector<float>& rows, float* out) {
  const int64_t length = (width.out + stride - 1) / stride;
  for (int64_t row = 0; row < height.out; ++row) {
    rows.assign(static_cast<size_t>(stride * length), bias);
    for (int64_t ky = 0; ky < k; ++ky) {
      const int64_t from = row + padding - ky, y = from / stride;
      if (from < 0 || from % stride != 0 || y >= height.in) continue;
      for (int64_t kx = 0; kx < k; ++kx) {
        // Column x goes to pixel x·stride + kx - padding = (x + shift)·stride + remainder.
        const int64_t remainder = ((kx - padding) % stride + stride) % stride,
                      shift = (kx - padding - remainder) / stride;
        const int64_t last = (width.out - remainder + stride - 1) / stride;  // pixels with this remainder
        const int64_t begin = std::max<int64_t>(0, -shift), end = std::min(width.in, last - shift);
        const float* column = columns + ((ky * k + kx) * height.in + y) * width.in;
        float* to = rows.data() + remainder * length;
        for (int64_t x = begin; x < end; ++x) to[x + shift] += column[x];
      }
    }
    for (int64_t remainder = 0; remainder < stride; ++remainder)
      for (int64_t x = remainder, j = 0; x < width.out; x += stride, ++j)
        out[row * width.out + x] = rows[static_cast<size_t>(remainder * length + j)];
  }
}

Tensor through_columns(const Tensor& x, const Tensor& weight, const Tensor& bias, int64_t stride, int64_t padding) {
  const int64_t n = x.size(0), channels = weight.size(1), k = weight.size(2);
  const Sides height{x.size(2), (x.size(2) - 1) * stride - 2 * padding + k},
      width{x.size(3), (x.size(3) - 1) * stride - 2 * padding + k};
  // [out·k·k, in] times [n, in, h·w]
  const Tensor columns = at::matmul(weight.flatten(1).t(), x.flatten(2)).contiguous(), start = bias.contiguous();
  Tensor out = at::empty({n, channels, height.out, width.out}, x.options());
  const float *from = columns.const_data_ptr<float>(), *first = start.const_data_ptr<float>();
  float* to = out.mutable_data_ptr<float>();
  const int64_t in_plane = k * k * height.in * width.in, out_plane = height.out * width.out;
  at::parallel_for(0, n * channels, std::max<int64_t>(1, 32768 / in_plane), [&](int64_t begin, int64_t end) {
    std::vector<float> rows;
    for (int64_t plane = begin; plane < end; ++plane)
      sum_columns(from + plane * in_plane, height, width, k, stride, padding, first[plane % channels], rows,
                  to + plane * out_plane);
  });
  return out;
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
