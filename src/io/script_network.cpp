#include "kaem/io/script_network.h"

#include <ATen/ATen.h>
#include <torch/csrc/jit/serialization/import.h>

#include <algorithm>

#include "kaem/core/error.h"
#include "kaem/io/child.h"

namespace kaem::io {

using at::Tensor;

struct ScriptNetwork::Module {
  torch::jit::Module module;
};

ScriptNetwork::ScriptNetwork(const std::string& path) {
  try {
    in_child(path, [&] {
      torch::jit::load(path, at::kCPU);
      return std::string();
    });
    module_ = std::make_unique<Module>(Module{torch::jit::load(path, at::kCPU)});
  } catch (const std::exception&) {  // several lines of LibTorch say less than one of ours
    throw DataError("expected a file of TorchScript (torch.jit.save)");
  }
  if (!module_->module.find_method("forward")) throw DataError("the network has no method forward");
  module_->module.eval();
  for (Tensor parameter : module_->module.parameters()) parameter.requires_grad_(false);
}

ScriptNetwork::~ScriptNetwork() = default;
ScriptNetwork::ScriptNetwork(ScriptNetwork&&) noexcept = default;

void ScriptNetwork::to(const at::TensorOptions& device_and_dtype) {
  module_->module.to(device_and_dtype.device(), c10::typeMetaToScalarType(device_and_dtype.dtype()));
}

bool ScriptNetwork::takes(const std::string& argument) const {
  const auto& arguments = module_->module.get_method("forward").function().getSchema().arguments();
  return std::any_of(arguments.begin(), arguments.end(), [&](const auto& a) { return a.name() == argument; });
}

Tensor ScriptNetwork::operator()(const Tensor& x, const std::string& flag) const {
  const c10::IValue got =
      flag.empty() ? module_->module.forward({x}) : module_->module.forward({x}, {{flag, c10::IValue(true)}});
  if (!got.isTensor() || !at::isFloatingType(got.toTensor().scalar_type()))
    throw DataError("the network gives no tensor of real numbers");
  Tensor rows = got.toTensor();
  if (rows.dim() < 1 || rows.size(0) != x.size(0) || rows.numel() == 0)
    throw DataError("the network does not give a row for each image");
  return rows;
}

}  // namespace kaem::io
