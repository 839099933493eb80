#include "kaem/generator/perceptual.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/autograd.h>

#include "kaem/core/error.h"
#include "kaem/core/str.h"
#include "kaem/io/script_network.h"

namespace kaem {

using at::Tensor;

constexpr int64_t kProbe = 7;  // images that a network is tried on: a number that no image has of channels

Perceptual::Perceptual(const std::string& path, double scale, const DataShape& shape) : scale_(scale), shape_(shape) {
  const std::string key = str("[GeneratorModel] perceptual_features = ", path, ": ");
  const auto refuse = [&](const std::string& why) { throw ConfigError(key + why); };
  const std::string images = str("images [n,", shape[0], ",", shape[1], ",", shape[2], "]");
  const c10::AutoGradMode with_graph(true);
  const Tensor probe = at::full({kProbe, shape[0] * shape[1] * shape[2]}, 0.5).requires_grad_();
  Tensor rows;
  try {
    network_ = std::make_unique<io::ScriptNetwork>(path);
    rows = (*network_)(probe.reshape({-1, shape_[0], shape_[1], shape_[2]}));
  } catch (const DataError& error) {
    refuse(error.what());
  } catch (const std::exception&) {
    refuse("the network does not take " + images);
  }
  try {
    torch::autograd::grad({rows.sum()}, {probe});
  } catch (const std::exception&) {
    refuse("the network has no gradient with respect to " + images);
  }
}

Perceptual::~Perceptual() = default;

void Perceptual::to(const at::TensorOptions& device_and_dtype) { network_->to(device_and_dtype); }

Tensor Perceptual::features(const Tensor& images) {
  const Tensor out = (*network_)(images.reshape({-1, shape_[0], shape_[1], shape_[2]}));
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
