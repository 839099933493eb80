#include "state.h"

#include <ATen/core/grad_mode.h>

#include "kaem/core/error.h"
#include "kaem/core/str.h"

namespace kaem {

std::vector<NamedValue> named_values(const torch::nn::Module& module) {
  std::vector<NamedValue> values;
  for (const auto& p : module.named_parameters()) values.push_back({p.key(), p.value(), true});
  for (const auto& b : module.named_buffers())
    if (b.value().defined()) values.push_back({b.key(), b.value(), false});
  return values;
}

io::NamedTensors model_state(const torch::nn::Module& module) {
  io::NamedTensors state;
  for (const auto& v : named_values(module)) state.emplace_back("model." + v.name, v.value);
  return state;
}

void restore_state(const io::NamedTensors& into, const std::map<std::string, at::Tensor>& from,
                   const std::string& source) {
  const at::NoGradGuard no_grad;
  for (const auto& [name, tensor] : into) {
    const auto found = from.find(name);
    if (found == from.end())
      throw UsageError(kaem::str(source, ": has no tensor ", name, ", which this configuration needs",
                                 name.find("encoder") == std::string::npos
                                     ? ""
                                     : ": it was trained without an encoder, and a run that has one is a new run"));
    if (found->second.sizes() != tensor.sizes())
      throw UsageError(kaem::str(source, ": tensor ", name, " has shape ", found->second.sizes(),
                                 ", this configuration needs ", tensor.sizes()));
    at::Tensor target = tensor;
    target.copy_(found->second);
  }
}

io::NamedTensors posterior_state(Posterior& posterior) {
  io::NamedTensors tensors;
  if (const auto module = posterior.module())
    for (const auto& v : named_values(*module)) tensors.emplace_back("posterior.encoder." + v.name, v.value);
  for (const auto& [name, tensor] : posterior.named_state()) tensors.emplace_back("posterior." + name, tensor);
  return tensors;
}

}  // namespace kaem
