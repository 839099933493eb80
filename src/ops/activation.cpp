#include <ATen/ATen.h>

#include <array>
#include <cmath>
#include <numbers>

#include "kaem/core/table.h"
#include "kaem/ops/ops.h"

namespace kaem::ops {
namespace {

using at::Tensor;

constexpr auto kActivations = std::to_array<Named<Activation>>({
    {"none", Activation::kNone},
    {"identity", Activation::kIdentity},
    {"relu", Activation::kRelu},
    {"leakyrelu", Activation::kLeakyRelu},
    {"tanh", Activation::kTanh},
    {"sigmoid", Activation::kSigmoid},
    {"silu", Activation::kSilu},
    {"swish", Activation::kSilu},
    {"gelu", Activation::kGelu},
    {"elu", Activation::kElu},
    {"celu", Activation::kElu},
    {"selu", Activation::kSelu},
    {"softplus", Activation::kSoftplus},
});

constexpr double kSeluAlpha = 1.6732632423543772, kSeluScale = 1.0507009873554805;

}  // namespace

std::vector<std::string> activation_names() { return names_of(kActivations); }

Activation parse_activation(std::string_view name) { return find(kActivations, "activation", name); }

Tensor activate(const Tensor& x, Activation activation) {
  switch (activation) {
    case Activation::kNone:
      return at::zeros_like(x);
    case Activation::kIdentity:
      return x;
    case Activation::kRelu:
      return at::relu(x);
    case Activation::kLeakyRelu:
      return at::leaky_relu(x, 0.01);
    case Activation::kTanh:
      return at::tanh(x);
    case Activation::kSigmoid:
      return at::sigmoid(x);
    case Activation::kSilu:
      return at::silu(x);
    case Activation::kGelu:
      return at::gelu(x);
    case Activation::kElu:
      return at::elu(x);
    case Activation::kSelu:
      return at::selu(x);
    case Activation::kSoftplus:
      return at::softplus(x);
  }
  return x;
}

Tensor activate_derivative(const Tensor& x, Activation activation) {
  const auto step = [&](double below) {
    return at::where(x > 0, at::ones({}, x.options()), at::full({}, below, x.options()));
  };
  const Tensor negative = x.clamp_max(0);
  switch (activation) {
    case Activation::kNone:
      return at::zeros_like(x);
    case Activation::kIdentity:
      return at::ones_like(x);
    case Activation::kRelu:
      return step(0);
    case Activation::kLeakyRelu:
      return step(0.01);
    case Activation::kTanh:
      return 1 - x.tanh().square();
    case Activation::kSigmoid:
      return x.sigmoid() * (1 - x.sigmoid());
    case Activation::kSilu:
      return x.sigmoid() * (1 + x * (1 - x.sigmoid()));
    case Activation::kGelu:
      return 0.5 * (1 + (x / std::numbers::sqrt2).erf()) +
             x * (-0.5 * x.square()).exp() / std::sqrt(2 * std::numbers::pi);
    case Activation::kElu:
      return negative.exp();
    case Activation::kSelu:
      return kSeluScale * at::where(x > 0, at::ones({}, x.options()), kSeluAlpha * negative.exp());
    case Activation::kSoftplus:
      return x.sigmoid();
  }
  return x;
}

}  // namespace kaem::ops
