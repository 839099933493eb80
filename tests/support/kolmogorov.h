#pragma once

#include <torch/types.h>

#include <cmath>

namespace kaem::test {

/// P(sup|ECDF - F| > d) for u = F(z) [n], asymptotic and Kolmogorov's leading term: an upper bound for p << 1.
inline double kolmogorov_p(const at::Tensor& u) {
  const at::Tensor sorted = std::get<0>(u.detach().flatten().to(torch::kDouble).sort());
  const auto n = static_cast<double>(sorted.numel());
  const at::Tensor rank = torch::arange(1, sorted.numel() + 1, torch::kDouble);
  const double d = torch::maximum(rank / n - sorted, sorted - (rank - 1) / n).max().item<double>();
  return 2 * std::exp(-2 * n * d * d);
}

}  // namespace kaem::test
