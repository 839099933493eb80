#include "generator/network.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>

namespace kaem::network {

using at::Tensor;

Tensor uniform_within(double bound, const InitialDraws& draws, std::string_view name, at::IntArrayRef shape) {
  return bound * (2 * draws.uniform(name, shape) - 1);
}

torch::nn::Module& add_child(torch::nn::Module& parent, const std::string& name) {
  return *parent.register_module(name, std::make_shared<torch::nn::Module>(name));
}

Tensor Dense::operator()(const Tensor& x) const {
  const Tensor rows = x.reshape({-1, x.size(-1)});
  std::vector<int64_t> sizes = x.sizes().vec();
  sizes.back() = weight.size(1);
  return ops::product(rows, weight, precision).add(bias).reshape(sizes);
}

Dense add_dense(torch::nn::Module& parent, const std::string& name, int64_t in, int64_t out, const InitialDraws& draws,
                ops::Precision precision) {
  torch::nn::Module& child = add_child(parent, name);
  const double bound = 1 / std::sqrt(static_cast<double>(in));
  Dense dense;
  dense.precision = precision;
  dense.weight = child.register_parameter("weight", uniform_within(bound, draws.of(name), "weight", {in, out}));
  dense.bias = child.register_parameter("bias", uniform_within(bound, draws.of(name), "bias", {out}));
  return dense;
}

Tensor activate(const Tensor& x, ops::Activation activation, double leakyrelu_slope) {
  if (activation == ops::Activation::kNone) return x;
  if (activation == ops::Activation::kLeakyRelu) return at::leaky_relu(x, leakyrelu_slope);
  return ops::activate(x, activation);
}

Tensor draw_words(const Tensor& logits, double temperature, const Tensor& u) {
  if (temperature <= 0) return logits.argmax(-1);
  // The inverse of the running sum needs one uniform a word, so that a row's draws do not depend on the other rows.
  const Tensor running = (logits.to(at::kDouble) / temperature).softmax(-1).cumsum(-1);
  const Tensor below = running <= u.to(at::kDouble).unsqueeze(-1);
  return below.sum(-1).clamp_max(logits.size(-1) - 1);
}

Tensor Frozen::forward(const Tensor& u, const Tensor& x) {
  output = Tensor();  // the old graph goes before the new one grows
  const c10::AutoGradMode with_graph(true);
  // A copy, as the caller may move u in place before the pullback.
  input = u.detach().clone().requires_grad_();
  output = network(input, x);
  return output.detach();
}

Tensor Frozen::pullback(const Tensor& grad) {
  return torch::autograd::grad({output}, {input}, {grad}, /*retain_graph=*/true)[0];
}

}  // namespace kaem::network
