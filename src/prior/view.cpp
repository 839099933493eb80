#include "prior/view.h"

#include <ATen/ATen.h>

#include <limits>

#include "kaem/core/error.h"

namespace kaem {

using at::Tensor;

Versions versions_of(const torch::nn::Module& module) {
  std::vector<Tensor> tensors = module.parameters();
  for (const Tensor& buffer : module.buffers())
    if (buffer.defined()) tensors.push_back(buffer);
  return Versions(tensors);
}

void check_current(const Versions& versions) {
  if (!versions.current())
    throw Error("a view of the prior was used after the prior's parameters had changed; an update makes its own");
}

Tensor minus_infinity_outside(const Tensor& z, const Tensor& value, std::pair<double, double> domain) {
  const Tensor inside = at::logical_and(z >= domain.first, z <= domain.second).flatten(1).all(1);
  return at::where(inside, value, at::full({}, -std::numeric_limits<double>::infinity(), value.options()));
}

}  // namespace kaem
