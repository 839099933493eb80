#pragma once

#include <torch/types.h>

#include <cstdint>

/// Gradients by differences, apart from all automatic differentiation.
namespace kaem::test {

/// Central difference of the fourth order of value() (a tensor of one number) in element i of a parameter, `flat` being
/// its memory as one axis.
template <class F>
double difference(at::Tensor flat, int64_t i, double step, F&& value) {
  const torch::NoGradGuard no_grad;
  const double start = flat[i].item<double>();
  const auto at_offset = [&](double offset) {
    flat[i].fill_(start + offset);
    return value().template item<double>();
  };
  const double near = at_offset(step) - at_offset(-step), far = at_offset(2 * step) - at_offset(-2 * step);
  flat[i].fill_(start);
  return (8 * near - far) / (12 * step);
}

}  // namespace kaem::test
