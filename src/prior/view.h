#pragma once

#include <torch/nn/module.h>

#include <utility>

#include "kaem/core/versions.h"

namespace kaem {

/// Parameters and buffers: what a view is made from.
Versions versions_of(const torch::nn::Module& module);

/// Error where a view's parameters were written to since it was made.
void check_current(const Versions& versions);

/// `value` [n] where all of z [n, ...] is inside the domain, -inf elsewhere.
at::Tensor minus_infinity_outside(const at::Tensor& z, const at::Tensor& value, std::pair<double, double> domain);

}  // namespace kaem
