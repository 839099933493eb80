#include "prior/white.h"

#include <ATen/ATen.h>

#include <cmath>
#include <numbers>

namespace kaem {

using at::Tensor;

constexpr double kEnd = 0x1p-24;

Tensor uniform_of_normal(const Tensor& y) { return at::special_ndtr(y).clamp(kEnd, 1 - kEnd); }

Tensor normal_of_uniform(const Tensor& u) { return at::special_ndtri(u.clamp(kEnd, 1 - kEnd)); }

Tensor log_standard_normal(const Tensor& y) { return -0.5 * y.square() - 0.5 * std::log(2 * std::numbers::pi); }

}  // namespace kaem
