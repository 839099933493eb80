#include "kaem/generator/perceptual.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/jit/serialization/import.h>

#include "kaem/core/error.h"
#include "kaem/core/str.h"
#include "kaem/io/child.h"

namespace kaem {

using at::Tensor;

constexpr int64_t kProbe = 7;  // images that a network is tried on: a number that no image has of channels

struct Perceptual::Network {
  torch::jit::Module module;
};

Perceptual::Perceptual(const std::string& path, double scale, const DataShape& shape) : scale_(scale), shape_(shape) {
  const std::string key = str("[GeneratorModel] perceptual_features = ", path, ": ");
  const auto refuse = [&](const std::string& why) { throw ConfigError(key + why); };
  // Several lines of LibTorch say less than one of ours; and code that nests deeply ends its parser by a signal.
  try {
    io::in_child(path, [&] {
      torch::jit::load(path, at::kCPU);
      return std::string();
    });
    network_ = std::make_unique<Network>(Network{torch::jit::load(path, at::kCPU)});
  } catch (const std::exception&) {
    refuse("expected a file of TorchScript (torch.jit.save)");
  }
  if (!network_->module.find_method("forward")) refuse("the network has no method forward");
  network_->module.eval();
  for (Tensor parameter : network_->module.parameters()) parameter.requires_grad_(false);
  const c10::AutoGradMode with_graph(true);
  const std::string images = str("images [n,", shape[0], ",", shape[1], ",", shape[2], "]");
  const Tensor probe = at::full({kProbe, shape[0] * shape[1] * shape[2]}, 0.5).requires_grad_();
  c10::IValue got;
  try {
    got = network_->module.forward({probe.reshape({-1, shape_[0], shape_[1], shape_[2]})});
  } catch (const std::exception&) {
    refuse("the network does not take " + images);
  }
  if (!got.isTensor() || !at::isFloatingType(got.toTensor().scalar_type()))
    refuse("the network gives no tensor of real numbers");
  const Tensor rows = got.toTensor();
  if (rows.dim() < 1 || rows.size(0) != kProbe || rows.numel() == 0)
    refuse("the network does not give a row for each image");
  try {
    torch::autograd::grad({rows.sum()}, {probe});
  } catch (const std::exception&) {
    refuse("the network has no gradient with respect to " + images);
  }
}

Perceptual::~Perceptual() = default;

void Perceptual::to(const at::TensorOptions& device_and_dtype) {
  network_->module.to(device_and_dtype.device(), c10::typeMetaToScalarType(device_and_dtype.dtype()));
}

Tensor Perceptual::features(const Tensor& images) {
  const Tensor out = network_->module.forward({images.reshape({-1, shape_[0], shape_[1], shape_[2]})}).toTensor();
  return out.reshape({out.size(0), -1});
}

Tensor Perceptual::pairs(const Likelihood& likelihood, const Tensor& x, const Tensor& generated) {
  const Tensor ours = features(likelihood.activate(generated)), data = features(x).detach();
  return squared_distances(data, ours) * (-scale_ / static_cast<double>(data.size(1)));
}

Tensor Perceptual::own_pairs(const Likelihood& likelihood, const Tensor& x, const Tensor& generated) {
  const int64_t temperatures = generated.size(0), batch = generated.size(1), chains = generated.size(2);
  const Tensor ours = features(likelihood.activate(generated).flatten(0, 2));
  const Tensor difference =
      features(x).detach().unsqueeze(1) - ours.reshape({temperatures, batch, chains, ours.size(1)});
  return -scale_ * difference.square().mean(-1);
}

Tensor Perceptual::all_pairs(const Likelihood& likelihood, const Tensor& x, const Tensor& generated) {
  const c10::AutoGradMode no_grad(false);
  return pairs(likelihood, x, generated);
}

std::pair<Tensor, Tensor> Perceptual::value_and_gradient(const Likelihood& likelihood, const Tensor& x,
                                                         const Tensor& generated) {
  const c10::AutoGradMode with_graph(true);
  const Tensor leaf = generated.detach().requires_grad_();
  const Tensor value = own_pairs(likelihood, x, leaf);
  return {value.detach(), torch::autograd::grad({value.sum()}, {leaf})[0]};
}

Tensor Perceptual::weighted_all_pairs(const Likelihood& likelihood, const Tensor& weight, const Tensor& x,
                                      const Tensor& generated) {
  return (weight * pairs(likelihood, x, generated)).sum() / static_cast<double>(x.size(0));
}

Tensor Perceptual::weighted_own(const Likelihood& likelihood, const Tensor& weight, const Tensor& x,
                                const Tensor& generated) {
  return (weight * own_pairs(likelihood, x, generated)).sum() / static_cast<double>(x.size(0));
}

}  // namespace kaem
