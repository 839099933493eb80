#include "generator/transposed_convolution.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <array>
#include <bit>
#include <type_traits>
#include <vector>

#include "kaem/core/each_isa.h"
#include "kaem/ops/ops.h"

namespace kaem::network {
namespace {

using at::Tensor;

/// Up to so many numbers that a pixel adds to: the last layers, which give few channels. LibTorch's convolution takes
/// several times as long for them as a matrix product and the sums of its columns.
constexpr int64_t kFewColumns = 64;

bool by_columns(const Tensor& x, const Tensor& weight) {
  return x.is_cpu() && (x.scalar_type() == at::kFloat || x.scalar_type() == at::kBFloat16) &&
         weight[0].numel() <= kFewColumns;
}

Tensor plain(const Tensor& x, const Tensor& weight, const Tensor& bias, int64_t stride, int64_t padding) {
  return at::conv_transpose2d(x, weight, bias, {stride, stride}, {padding, padding});
}

/// Size of an image's side and of what is made of it.
struct Sides {
  int64_t in, out;
};

/// How columns [k,k,h,w] of one image and one channel add up to its pixels. Column x of tap kx goes to pixel
/// x·stride + kx - padding = (x + shift)·stride + remainder: pixels of one remainder lie side by side in a buffer, with
/// margins for those outside the image, so that all additions are of whole rows of neighbours.
struct Columns {
  Sides height, width;
  int64_t k, stride, padding;
  int64_t before, span;                      ///< margin, and length of the buffer for one remainder
  std::array<int64_t, kFewColumns> start{};  ///< of tap kx: where its column 0 goes in the buffer

  Columns(Sides h, Sides w, int64_t kernel, int64_t step, int64_t pad)
      : height(h), width(w), k(kernel), stride(step), padding(pad), before((pad + step - 1) / step) {
    span = before + std::max(w.in + k / stride + 1, w.out / stride + 1);
    for (int64_t kx = 0; kx < k; ++kx) {
      const int64_t remainder = ((kx - padding) % stride + stride) % stride;
      start[static_cast<size_t>(kx)] = remainder * span + before + (kx - padding - remainder) / stride;
    }
  }
};

/// Columns, each `apart` numbers from the next, to out [H,W], which starts from `bias`.
KAEM_EACH_ISA void sum_columns(const Columns& c, const float* columns, int64_t apart, float bias, float* buffer,
                               float* out) {
  const int64_t span = c.span, stride = c.stride;
  for (int64_t row = 0; row < c.height.out; ++row) {
    for (int64_t i = 0; i < stride * span; ++i) buffer[i] = bias;
    for (int64_t ky = 0; ky < c.k; ++ky) {
      const int64_t from = row + c.padding - ky, y = from / stride;
      if (from < 0 || from % stride != 0 || y >= c.height.in) continue;
      for (int64_t kx = 0; kx < c.k; ++kx) {
        const float* __restrict column = columns + (ky * c.k + kx) * apart + y * c.width.in;
        float* __restrict to = buffer + c.start[static_cast<size_t>(kx)];
        for (int64_t x = 0; x < c.width.in; ++x) to[x] += column[x];
      }
    }
    const float* __restrict pixels = buffer + c.before;
    float* __restrict to = out + row * c.width.out;
    if (stride == 2) {  // the most common, in vector code
      const float* __restrict odd = pixels + span;
      for (int64_t j = 0; j < c.width.out / 2; ++j) to[2 * j] = pixels[j], to[2 * j + 1] = odd[j];
      if (c.width.out % 2 != 0) to[c.width.out - 1] = pixels[c.width.out / 2];
      continue;
    }
    for (int64_t remainder = 0; remainder < stride; ++remainder)
      for (int64_t x = remainder, j = 0; x < c.width.out; x += stride, ++j) to[x] = pixels[remainder * span + j];
  }
}

/// `rows` rows of `count` numbers each, `apart` from the next, as one block of float32.
KAEM_EACH_ISA void widen(const at::BFloat16* from, int64_t apart, int64_t rows, int64_t count, float* to) {
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t i = 0; i < count; ++i)
      to[row * count + i] = std::bit_cast<float>(uint32_t{from[row * apart + i].x} << 16);
}

/// columns [out·k·k, n·h·w] -> [n,out,H,W]
template <class T>
Tensor sum_all_columns(const Columns& c, const Tensor& columns, const Tensor& bias, int64_t n) {
  const Tensor start = bias.to(at::kFloat).contiguous();
  const int64_t channels = bias.size(0), in_plane = c.height.in * c.width.in, out_plane = c.height.out * c.width.out,
                pixels = n * in_plane, taps = c.k * c.k;
  Tensor out = at::empty({n, channels, c.height.out, c.width.out}, start.options());
  const T* from = columns.const_data_ptr<T>();
  const float* first = start.const_data_ptr<float>();
  float* to = out.mutable_data_ptr<float>();
  at::parallel_for(0, n * channels, std::max<int64_t>(1, 32768 / (taps * in_plane)), [&](int64_t begin, int64_t end) {
    std::vector<float> buffer(static_cast<size_t>(c.stride * c.span)), wide;
    for (int64_t plane = begin; plane < end; ++plane) {
      const int64_t image = plane / channels, channel = plane % channels;
      const T* own = from + channel * taps * pixels + image * in_plane;
      if constexpr (std::is_same_v<T, float>) {
        sum_columns(c, own, pixels, first[channel], buffer.data(), to + plane * out_plane);
      } else {
        wide.resize(static_cast<size_t>(taps * in_plane));
        widen(own, pixels, taps, in_plane, wide.data());
        sum_columns(c, wide.data(), in_plane, first[channel], buffer.data(), to + plane * out_plane);
      }
    }
  });
  return out;
}

Tensor through_columns(const Tensor& x, const Tensor& weight, const Tensor& bias, int64_t stride, int64_t padding) {
  const int64_t k = weight.size(2);
  const auto sides = [&](int64_t in) { return Sides{in, (in - 1) * stride - 2 * padding + k}; };
  const Columns c(sides(x.size(2)), sides(x.size(3)), k, stride, padding);
  const Tensor pixels = x.permute({0, 2, 3, 1}).reshape({-1, x.size(1)});
  const Tensor columns = ops::product(weight.flatten(1).t(), pixels.t()).contiguous();
  return x.scalar_type() == at::kFloat ? sum_all_columns<float>(c, columns, bias, x.size(0))
                                       : sum_all_columns<at::BFloat16>(c, columns, bias, x.size(0));
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
    auto [x, weight, bias] =
        at::convolution_backward(grads[0].to(saved[0].scalar_type()), saved[0], saved[1],
                                 at::IntArrayRef({saved[1].size(1)}), {stride, stride}, {padding, padding}, {1, 1},
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
