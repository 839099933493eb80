#include "kaem/data/darcy.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/ones_like.h>

#include <atomic>
#include <cmath>
#include <numbers>
#include <vector>

#include "data/diffusion.h"
#include "kaem/core/error.h"

namespace kaem::darcy {
namespace {

constexpr int64_t kModes = 96;  // in each direction; what is left out has 3e-5 of the variance
constexpr double kTau = 3;      // (-Δ + τ²I)^-2
constexpr double kHigh = 12, kLow = 3;

/// √2·cos(πk(i+½)/n), 1 for k = 0: [kModes][n].
std::vector<double> cosines(int64_t n) {
  std::vector<double> table(static_cast<size_t>(kModes * n), 1.0);
  for (int64_t k = 1; k < kModes; ++k)
    for (int64_t i = 0; i < n; ++i)
      table[k * n + i] = std::numbers::sqrt2 * std::cos(std::numbers::pi * k * (i + 0.5) / n);
  return table;
}

/// out [rows][n] += c [rows][kModes] · table [kModes][n], in one fixed order of additions.
void transform(const double* c, int64_t rows, const std::vector<double>& table, int64_t n, double* out) {
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t k = 0; k < kModes; ++k) {
      const double factor = c[r * kModes + k];
      for (int64_t i = 0; i < n; ++i) out[r * n + i] += factor * table[k * n + i];
    }
}

/// Standard deviations of the modes' coefficients, 0 for the mean (as in the published generator: fields with free
/// means would often be 12 or 3 throughout).
std::vector<double> mode_scales() {
  std::vector<double> scales(static_cast<size_t>(kModes * kModes));
  for (int64_t i = 0; i < kModes; ++i)
    for (int64_t j = 0; j < kModes; ++j)
      scales[i * kModes + j] =
          1 / (std::numbers::pi * std::numbers::pi * static_cast<double>(i * i + j * j) + kTau * kTau);
  scales[0] = 0;
  return scales;
}

}  // namespace

at::Tensor gaussian_field(int64_t count, int64_t n, const Rng& rng, int64_t first_index) {
  TORCH_CHECK_VALUE(count >= 0 && n >= 1 && first_index >= 0,
                    "gaussian_field: expected count >= 0, n >= 1, first_index >= 0, got ", count, ", ", n, ", ",
                    first_index);
  const std::vector<double> table = cosines(n), scales = mode_scales();
  at::Tensor fields = at::empty({count, n, n}, at::kDouble);
  double* const out = fields.mutable_data_ptr<double>();
  // Loops of our own instead of a matrix library: the sign of the sum must not depend on threads or the batch.
  at::parallel_for(0, count, 1, [&](int64_t begin, int64_t end) {
    std::vector<double> c, half(static_cast<size_t>(n * kModes));
    for (int64_t f = begin; f < end; ++f) {
      const at::Tensor noise = rng.normal(Stream::kDarcy, first_index + f, {kModes, kModes}, at::kDouble);
      c.assign(noise.const_data_ptr<double>(), noise.const_data_ptr<double>() + kModes * kModes);
      for (size_t k = 0; k < c.size(); ++k) c[k] *= scales[k];
      std::vector<double> columns(static_cast<size_t>(kModes * n), 0.0);  // [i][y]
      transform(c.data(), kModes, table, n, columns.data());
      for (int64_t i = 0; i < kModes; ++i)
        for (int64_t y = 0; y < n; ++y) half[y * kModes + i] = columns[i * n + y];
      std::fill(out + f * n * n, out + (f + 1) * n * n, 0.0);
      transform(half.data(), n, table, n, out + f * n * n);
    }
  });
  return fields;
}

at::Tensor permeability(int64_t count, int64_t n, const Rng& rng, int64_t first_index) {
  at::Tensor a = gaussian_field(count, n, rng, first_index);
  double* const value = a.mutable_data_ptr<double>();
  for (int64_t k = 0; k < a.numel(); ++k) value[k] = value[k] >= 0 ? kHigh : kLow;
  return a;
}

at::Tensor solve(const at::Tensor& a, const at::Tensor& source) {
  TORCH_CHECK_VALUE(a.dim() == 3 && a.size(1) == a.size(2) && a.size(1) >= 1,
                    "darcy::solve: expected a [count,n,n], got ", a.sizes());
  TORCH_CHECK_VALUE(!source.defined() || source.sizes() == a.sizes(), "darcy::solve: expected a source of ", a.sizes(),
                    ", got ", source.defined() ? source.sizes() : at::IntArrayRef());
  const at::Tensor field = a.to(at::kCPU, at::kDouble).contiguous();
  TORCH_CHECK_VALUE(field.numel() == 0 || (field.gt(0).all().item<bool>() && field.isfinite().all().item<bool>()),
                    "darcy::solve: expected a > 0 and finite everywhere");
  const at::Tensor f = source.defined() ? source.to(at::kCPU, at::kDouble).contiguous() : at::ones_like(field);
  at::Tensor u = at::empty_like(field);
  const int64_t n = a.size(1);
  const double *in = field.const_data_ptr<double>(), *right = f.const_data_ptr<double>();
  double* const out = u.mutable_data_ptr<double>();
  std::atomic<bool> converged{true};
  at::parallel_for(0, a.size(0), 1, [&](int64_t begin, int64_t end) {
    Diffusion diffusion(n);
    for (int64_t i = begin; i < end; ++i)
      if (diffusion.solve(in + i * n * n, right + i * n * n, out + i * n * n) < 0) converged = false;
  });
  if (!converged) throw Error("darcy::solve: conjugate gradients did not converge (is the contrast of a extreme?)");
  return u;
}

}  // namespace kaem::darcy
