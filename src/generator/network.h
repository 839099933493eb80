#pragma once

#include <torch/nn/module.h>

#include <functional>
#include <string>
#include <string_view>

#include "kaem/generator/generator.h"

/// What the generators made of ordinary layers share. Their networks are plain structs of tensors, so that a frozen
/// copy is the same struct with the tensors detached; the module beside them owns the same tensors under readable
/// names.
namespace kaem::network {

/// Uniform in (-bound, bound).
at::Tensor uniform_within(double bound, const InitialDraws& draws, std::string_view name, at::IntArrayRef shape);

/// A child of `parent` that only holds tensors.
torch::nn::Module& add_child(torch::nn::Module& parent, const std::string& name);

/// x -> x W + b.
struct Dense {
  at::Tensor weight, bias;  ///< [in,out], [out]
  ops::Precision precision = ops::Precision::kFull;
  at::Tensor operator()(const at::Tensor& x) const;
  template <class F>
  void each(F&& f) {
    f(weight), f(bias);
  }
};

/// A dense layer registered below `name`; both tensors start uniform in ±1/√in, as PyTorch's linear layer.
Dense add_dense(torch::nn::Module& parent, const std::string& name, int64_t in, int64_t out, const InitialDraws& draws,
                ops::Precision precision);

/// Activation between layers: as ops::activate, but `none` is linear and leaky relu has its own slope.
at::Tensor activate(const at::Tensor& x, ops::Activation activation, double leakyrelu_slope = 0.01);

/// One word of each row: logits [n,V], u [n] in (0,1) -> int64 [n]. Temperature 0: the likeliest.
at::Tensor draw_words(const at::Tensor& logits, double temperature, const at::Tensor& u);

/// Gradients by autograd from the latent only: the network must see no parameter that wants a gradient.
struct Frozen : FrozenGenerator {
  using Network = std::function<at::Tensor(const at::Tensor& u, const at::Tensor& x)>;
  explicit Frozen(Network given) : network(std::move(given)) {}

  at::Tensor forward(const at::Tensor& u, const at::Tensor& x) override;
  at::Tensor pullback(const at::Tensor& grad) override;

  Network network;
  at::Tensor input, output;
};

/// The same network without gradients of its tensors (they stay shared).
template <class Net>
Net detached(Net net) {
  net.each([](at::Tensor& t) {
    if (t.defined()) t = t.detach();
  });
  return net;
}

}  // namespace kaem::network
