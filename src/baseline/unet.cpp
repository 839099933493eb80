#include "baseline/unet.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/linear.h>
#include <torch/nn/modules/normalization.h>

#include <cmath>
#include <numeric>

#include "baseline/parts.h"
#include "kaem/core/str.h"

namespace kaem::baseline {
namespace {

using at::Tensor;
using torch::nn::Conv2d;
using torch::nn::Conv2dOptions;
using torch::nn::GroupNorm;
using torch::nn::GroupNormOptions;
using torch::nn::Linear;

constexpr int64_t kMostGroups = 8;
constexpr double kLongestPeriod = 10000;  // of the embedding (Vaswani et al. 2017)

GroupNorm norm_of(int64_t channels) { return GroupNorm(GroupNormOptions(std::gcd(kMostGroups, channels), channels)); }

Conv2d convolution(int64_t in, int64_t out, int64_t kernel, int64_t stride = 1) {
  return Conv2d(Conv2dOptions(in, out, kernel).stride(stride).padding(kernel / 2));
}

/// Layers whose result is added to something begin at 0, so that a block begins as the identity.
template <class Layer>
void start_at_zero(Layer& layer) {
  const c10::AutoGradMode no_grad(false);
  layer->weight.zero_(), layer->bias.zero_();
}

/// x + conv(silu(norm(conv(silu(norm(x))) + embedding))).
struct Block : torch::nn::Module {
  Block(int64_t in, int64_t out, int64_t kernel, int64_t time_dim)
      : first_norm(register_module("first_norm", norm_of(in))),
        first(register_module("first", convolution(in, out, kernel))),
        time(register_module("time", Linear(time_dim, out))),
        second_norm(register_module("second_norm", norm_of(out))),
        second(register_module("second", convolution(out, out, kernel))) {
    if (in != out) skip = register_module("skip", convolution(in, out, 1));
  }

  Tensor forward(const Tensor& x, const Tensor& embedding) {
    Tensor h = first->forward(at::silu(first_norm->forward(x)));
    h = h + time->forward(embedding).unsqueeze(2).unsqueeze(3);
    h = second->forward(at::silu(second_norm->forward(h)));
    return h + (skip ? skip->forward(x) : x);
  }

  GroupNorm first_norm;
  Conv2d first;
  Linear time;
  GroupNorm second_norm;
  Conv2d second, skip{nullptr};
};

/// One head over all pixels.
struct Attention : torch::nn::Module {
  explicit Attention(int64_t channels)
      : norm(register_module("norm", norm_of(channels))),
        inputs(register_module("inputs", convolution(channels, 3 * channels, 1))),
        output(register_module("output", convolution(channels, channels, 1))) {}

  Tensor forward(const Tensor& x) {
    const auto parts = inputs->forward(norm->forward(x)).flatten(2).transpose(1, 2).chunk(3, 2);  // [n,HW,c] each
    const double scale = 1 / std::sqrt(static_cast<double>(x.size(1)));
    const Tensor weight = at::softmax(at::bmm(parts[0] * scale, parts[1].transpose(1, 2)), 2);
    return x + output->forward(at::bmm(weight, parts[2]).transpose(1, 2).reshape(x.sizes()));
  }

  GroupNorm norm;
  Conv2d inputs, output;
};

struct UNetOfBlocks final : UNet {
  UNetOfBlocks(const DdpmOptions& o, int64_t image_channels, const Rng& rng)
      : time_dim(o.time_dim),
        time_first(register_module("time_first", Linear(o.time_dim, o.time_dim))),
        time_second(register_module("time_second", Linear(o.time_dim, o.time_dim))),
        entry_layer(register_module("entry", convolution(image_channels, o.channels[0], o.kernel_size))) {
    const auto& c = o.channels;
    const auto block = [&](const std::string& name, int64_t in, int64_t out) {
      return register_module(name, std::make_shared<Block>(in, out, o.kernel_size, o.time_dim));
    };
    for (size_t l = 0; l < c.size(); ++l) {
      if (l > 0)
        halves.push_back(register_module(str("half", l), convolution(c[l - 1], c[l], o.kernel_size, /*stride=*/2)));
      down.push_back(block(str("down", l), c[l], c[l]));
    }
    middle_first = block("middle_first", c.back(), c.back());
    attention = register_module("attention", std::make_shared<Attention>(c.back()));
    middle_second = block("middle_second", c.back(), c.back());
    for (size_t l = c.size(); l-- > 0;) {
      up.push_back(block(str("up", l), 2 * c[l], c[l]));
      if (l > 0) doubles.push_back(register_module(str("double", l), convolution(c[l], c[l - 1], o.kernel_size)));
    }
    exit_norm = register_module("exit_norm", norm_of(c[0]));
    exit_layer = register_module("exit", convolution(c[0], image_channels, o.kernel_size));
    initialise(*this, InitialDraws(rng, "unet"));
    for (auto* blocks : {&down, &up})
      for (auto& b : *blocks) start_at_zero(b->second);
    start_at_zero(middle_first->second), start_at_zero(middle_second->second);
    start_at_zero(attention->output), start_at_zero(exit_layer);
  }

  Tensor forward(const Tensor& x, const Tensor& level) override {
    const Tensor embedding = embed(level);
    Tensor h = entry_layer->forward(x.contiguous(at::MemoryFormat::ChannelsLast));
    std::vector<Tensor> kept;
    for (size_t l = 0; l < down.size(); ++l) {
      if (l > 0) h = halves[l - 1]->forward(h);
      h = down[l]->forward(h, embedding);
      kept.push_back(h);
    }
    h = middle_second->forward(attention->forward(middle_first->forward(h, embedding)), embedding);
    for (size_t i = 0; i < up.size(); ++i) {
      const size_t l = up.size() - 1 - i;
      h = up[i]->forward(at::cat({h, kept[l]}, 1), embedding);
      if (l > 0) h = doubles[i]->forward(at::upsample_nearest2d(h, kept[l - 1].sizes().slice(2)));
    }
    return exit_layer->forward(at::silu(exit_norm->forward(h)));
  }

  /// Sines and cosines of the level, and two dense layers: [n] -> silu of [n,time_dim].
  Tensor embed(const Tensor& level) {
    const int64_t half = time_dim / 2;
    const Tensor frequency =
        (at::arange(half, level.options()) * (-std::log(kLongestPeriod) / static_cast<double>(half))).exp();
    const Tensor angle = level.unsqueeze(1) * frequency;
    const Tensor waves = at::cat({angle.sin(), angle.cos()}, 1);
    return at::silu(time_second->forward(at::silu(time_first->forward(waves))));
  }

  int64_t time_dim;
  Linear time_first, time_second;
  Conv2d entry_layer, exit_layer{nullptr};
  GroupNorm exit_norm{nullptr};
  std::vector<std::shared_ptr<Block>> down, up;
  std::vector<Conv2d> halves, doubles;
  std::shared_ptr<Block> middle_first, middle_second;
  std::shared_ptr<Attention> attention;
};

}  // namespace

std::shared_ptr<UNet> make_unet(const DdpmOptions& options, int64_t image_channels, const Rng& rng) {
  return std::make_shared<UNetOfBlocks>(options, image_channels, rng);
}

}  // namespace kaem::baseline
