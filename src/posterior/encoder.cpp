#include "kaem/posterior/encoder.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "kaem/core/error.h"
#include "kaem/core/str.h"
#include "kaem/prior/prior.h"

namespace kaem {
namespace {

using at::Tensor;

constexpr double kLeastLogScale = -8, kMostLogScale = 3;

/// Value of a list that has one entry for each layer, or one for all.
int64_t entry(const std::vector<int64_t>& values, size_t layer, const char* key) {
  if (values.empty() || (values.size() > 1 && layer >= values.size()))
    throw ConfigError(
        str("[Encoder] ", key, ": expected one number, or one for each of the channels, got ", values.size()));
  return values.size() == 1 ? values[0] : values[layer];
}

}  // namespace

EncoderImpl::EncoderImpl(const EncoderOptions& options, const ModelImpl& model, const Rng& rng)
    : shape_(model.shape),
      latent_(model.prior->latent_shape()),
      activation_(ops::parse_activation(options.activation)) {
  std::tie(lower_, upper_) = model.prior->domain();
  features_ = model.data_size();
  const InitialDraws draws(rng, "encoder");
  const SeqOptions& seq = model.options.generator.seq;
  if (seq.use() && options.type == "cnn")
    throw ConfigError("[Encoder] type = cnn: words are no image; expected diagonal");
  if (seq.use()) add_words(seq, draws);
  if (options.type == "cnn") add_convolutions(options, draws);
  int64_t width = features_;
  for (size_t l = 0; l < options.widths.size(); ++l) {
    layers_.push_back(add_dense(str("dense", l), width, options.widths[l], draws));
    width = options.widths[l];
  }
  layers_.push_back(add_dense("moments", width, 2 * c10::multiply_integers(latent_), draws));
}

EncoderImpl::Dense EncoderImpl::add_dense(const std::string& name, int64_t inputs, int64_t outputs,
                                          const InitialDraws& draws) {
  // Uniform within 1/√inputs, as PyTorch's linear layers start.
  const double bound = 1 / std::sqrt(static_cast<double>(inputs));
  const auto make = [&](const std::string& tensor, at::IntArrayRef sizes) {
    return register_parameter(tensor, bound * (2 * draws.uniform(tensor, sizes) - 1));
  };
  return {make(name + "_weight", {outputs, inputs}), make(name + "_bias", {outputs})};
}

void EncoderImpl::add_words(const SeqOptions& options, const InitialDraws& draws) {
  features_ = options.d_model;
  word_ = register_parameter("word", draws.normal("word", {options.vocab_size, features_}));
  position_ = register_parameter("position", draws.normal("position", {options.sequence_length, features_}));
}

void EncoderImpl::add_convolutions(const EncoderOptions& options, const InitialDraws& draws) {
  int64_t channels = shape_[0], height = shape_[1], width = shape_[2];
  for (size_t l = 0; l < options.channels.size(); ++l) {
    const int64_t kernel = entry(options.kernels, l, "kernel_sizes"), stride = entry(options.strides, l, "strides"),
                  padding = entry(options.paddings, l, "paddings"), out = options.channels[l];
    const std::string name = str("conv", l);
    const double bound = 1 / std::sqrt(static_cast<double>(channels * kernel * kernel));
    const auto make = [&](const std::string& tensor, at::IntArrayRef sizes) {
      return register_parameter(tensor, bound * (2 * draws.uniform(tensor, sizes) - 1));
    };
    Convolution layer;
    layer.weight = make(name + "_weight", {out, channels, kernel, kernel});
    layer.bias = make(name + "_bias", {out});
    layer.stride = stride, layer.padding = padding;
    if (options.batch_norm) {
      layer.norm.weight = register_parameter(name + "_norm_weight", at::ones({out}));
      layer.norm.bias = register_parameter(name + "_norm_bias", at::zeros({out}));
      layer.norm.running_mean = register_buffer(name + "_running_mean", at::zeros({out}));
      layer.norm.running_variance = register_buffer(name + "_running_variance", at::ones({out}));
    }
    convolutions_.push_back(layer);
    const bool fits = std::min(height, width) + 2 * padding >= kernel;
    height = (height + 2 * padding - kernel) / stride + 1, width = (width + 2 * padding - kernel) / stride + 1;
    if (!fits)
      throw ConfigError(str("[Encoder] channels: nothing is left of a ", shape_[1], "x", shape_[2], " image after ",
                            l + 1, " convolutions; choose fewer, or smaller strides"));
    channels = out;
  }
  features_ = channels * height * width;
}

/// Mean over the words that are there, so that the length of a sequence alone does not move it: [B,L] -> [B,d].
Tensor EncoderImpl::words(const Tensor& x) const {
  const Tensor index = x.to(at::kLong), there = (index >= 0).unsqueeze(2).to(word_.scalar_type());
  const Tensor said = ops::activate(at::embedding(word_, index.clamp_min(0)) + position_, activation_);
  return (said * there).sum(1) / there.sum(1).clamp_min(1);
}

Tensor EncoderImpl::hidden(const Tensor& x) {
  // Data in [0,1] are centred.
  Tensor h = word_.defined() ? words(x) : 2 * x - 1;
  if (!convolutions_.empty()) h = h.reshape({x.size(0), shape_[0], shape_[1], shape_[2]});
  for (const auto& layer : convolutions_) {
    h = at::conv2d(h, layer.weight, layer.bias, layer.stride, layer.padding);
    if (layer.norm.weight.defined()) h = ops::batch_norm(h, layer.norm, is_training(), batch_share);
    h = ops::activate(h, activation_);
  }
  h = h.flatten(1);
  for (size_t l = 0; l + 1 < layers_.size(); ++l)
    h = ops::activate(at::linear(h, layers_[l].weight, layers_[l].bias), activation_);
  return h;
}

std::pair<Tensor, Tensor> EncoderImpl::moments(const Tensor& x) {
  const Tensor both = at::linear(hidden(x), layers_.back().weight, layers_.back().bias);
  std::vector<int64_t> sizes = {x.size(0), 2};
  sizes.insert(sizes.end(), latent_.begin(), latent_.end());
  const Tensor split = both.reshape(sizes);
  return {split.select(1, 0), split.select(1, 1).clamp(kLeastLogScale, kMostLogScale)};
}

/// log N(y; mean, scale²) - log |dz/dy|, summed over the latent: y [B,n,latent...] -> [B,n].
Tensor EncoderImpl::log_q(const Tensor& y, const Tensor& mean, const Tensor& log_scale) const {
  const Tensor u = (y - mean.unsqueeze(1)) * (-log_scale.unsqueeze(1)).exp();
  Tensor log_density = -0.5 * u.square() - log_scale.unsqueeze(1) - 0.5 * std::log(2 * std::numbers::pi);
  if (std::isfinite(upper_))
    log_density = log_density - (std::log(upper_ - lower_) - at::softplus(y) - at::softplus(-y));
  return log_density.flatten(2).sum(2);
}

std::pair<Tensor, Tensor> EncoderImpl::sample(const Tensor& x, const Tensor& noise) {
  const auto [mean, log_scale] = moments(x);
  const Tensor y = mean.unsqueeze(1) + log_scale.unsqueeze(1).exp() * noise;
  const Tensor z = std::isfinite(upper_) ? lower_ + (upper_ - lower_) * at::sigmoid(y) : y;
  return {z, log_q(y, mean, log_scale)};
}

Tensor EncoderImpl::scales(const Tensor& x) {
  const auto [mean, log_scale] = moments(x);
  const Tensor scale = log_scale.exp();
  if (!std::isfinite(upper_)) return scale;
  const Tensor share = at::sigmoid(mean);
  return scale * (upper_ - lower_) * share * (1 - share);
}

Tensor EncoderImpl::log_prob(const Tensor& x, const Tensor& z) {
  const auto [mean, log_scale] = moments(x);
  if (!std::isfinite(upper_)) return log_q(z, mean, log_scale);
  // Chains may sit on the very ends, where y is infinite.
  constexpr double kEnd = 1e-6;
  const Tensor share = ((z - lower_) / (upper_ - lower_)).clamp(kEnd, 1 - kEnd);
  return log_q(share.log() - (-share).log1p(), mean, log_scale);
}

}  // namespace kaem
