#include "export/script.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <iomanip>
#include <sstream>

namespace kaem::exports {

using at::Tensor;
using torch::jit::Module;

Module new_module(const std::string& name, const ScriptUnit& unit) {
  return Module(c10::QualifiedName("__torch__.kaem." + name), unit, /*shouldMangle=*/true);
}

void keep(Module& module, const std::string& name, const Tensor& tensor) {
  std::string plain = name;
  std::replace(plain.begin(), plain.end(), '.', '_');
  module.register_buffer(plain, tensor.detach().cpu().clone(at::MemoryFormat::Contiguous));
}

std::string number_of(double number) {
  std::ostringstream text;
  text << std::setprecision(17) << std::scientific << number;
  return text.str();
}

std::string filled(std::string text, const std::string& name, const std::string& value) {
  return text.replace(text.find(name), name.size(), value);
}

}  // namespace kaem::exports
