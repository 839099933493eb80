#pragma once

#include <torch/nn/module.h>

#include <map>
#include <string>

#include "kaem/io/safetensors.h"
#include "kaem/posterior/posterior.h"

namespace kaem {

/// A parameter or buffer of a module.
struct NamedValue {
  std::string name;
  at::Tensor value;
  bool is_parameter;
};

/// All parameters, then all buffers, by their dotted names; collected anew at each call, as a module may replace a
/// buffer.
std::vector<NamedValue> named_values(const torch::nn::Module& module);

/// "model.NAME" of every parameter and buffer; the tensors are the module's own.
io::NamedTensors model_state(const torch::nn::Module& module);

/// Copies `from` into the tensors of the same names; Error (naming `source`) if one is missing or has another shape.
void restore_state(const io::NamedTensors& into, const std::map<std::string, at::Tensor>& from,
                   const std::string& source);

/// "posterior.encoder.NAME" and "posterior.NAME" of what a sampler keeps.
io::NamedTensors posterior_state(Posterior& posterior);

}  // namespace kaem
