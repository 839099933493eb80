#include <ATen/ATen.h>

#include <cmath>
#include <iostream>

#include "kaem/core/rng.h"
#include "kaem/ops/ops.h"

/// What a user of the installed package writes: random inputs through a basis. The operators register themselves when
/// the library is loaded, so this also shows that nothing was dropped by the linker.
int main() {
  const at::Tensor x = kaem::Rng(1).uniform(kaem::Stream::kTest, 0, {8, 2});
  const at::Tensor knots = at::linspace(0, 1, 6).expand({2, 6}).contiguous();
  const at::Tensor features = kaem::ops::basis(x, knots, at::ones({}), {.kind = kaem::ops::BasisKind::kRbf});
  const double largest = features.max().item<double>();
  const bool good = features.sizes() == at::IntArrayRef({8, 2, 6}) && largest > 0.5 && largest <= 1;
  std::cout << "features " << features.sizes() << ", largest " << largest << (good ? "" : ": wrong") << '\n';
  return good ? 0 : 1;
}
