#pragma once

#include <ATen/core/Tensor.h>
#include <torch/csrc/jit/api/module.h>

#include <memory>
#include <string>

#include "kaem/kan/layer.h"
#include "kaem/ops/spec.h"

/// TorchScript of the parts of a model: modules that hold tensors, and source that follows docs/mathematics.md. A name
/// in it that begins with self. is one of these tensors. No size of a batch stands in it.
namespace kaem::exports {

using ScriptUnit = std::shared_ptr<torch::jit::CompilationUnit>;

/// An empty module; those of one unit can be parts of each other.
torch::jit::Module new_module(const std::string& name, const ScriptUnit& unit);

/// Keeps a tensor under a name, in which dots become underscores, on the CPU.
void keep(torch::jit::Module& module, const std::string& name, const at::Tensor& tensor);

/// A number as source: all of its digits.
std::string number_of(double number);

/// `text` with `value` in place of the first `name`.
std::string filled(std::string text, const std::string& name, const std::string& value);

/// Activation of the expression x, between layers: `none` is linear. As in a KAN layer, but for that.
std::string activation_source(ops::Activation activation, const std::string& x, double leakyrelu_slope = 0.01);

/// False for a basis that nobody has written down in TorchScript yet.
bool has_script(ops::BasisKind kind);

/// forward(x [n,I]) -> [n,O] of a KAN layer; UsageError where its basis has no script.
torch::jit::Module kan_layer_script(const KanLayerImpl& layer, const std::string& name, const ScriptUnit& unit);

}  // namespace kaem::exports
