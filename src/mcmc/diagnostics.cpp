#include "kaem/mcmc/diagnostics.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/cummin.h>
#include <ATen/ops/fft_irfft.h>
#include <ATen/ops/fft_rfft.h>
#include <ATen/ops/where.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>

#include "kaem/core/error.h"

namespace kaem::mcmc {
namespace {

using at::Tensor;

/// Mean variance within chains [...], and the variance that pools within and between, of chains [n, m, ...].
struct Variances {
  Tensor within, pooled;
};

Variances variances(const Tensor& chains) {
  const double n = static_cast<double>(chains.size(0));
  const Tensor within = chains.var({0}, /*unbiased=*/true).mean({0});
  Tensor pooled = within * ((n - 1) / n);
  if (chains.size(1) > 1) pooled = pooled + chains.mean({0}).var({0}, true);
  return {within, pooled};
}

/// Autocovariances of each chain at lags 0..n-1 (sums over n).
Tensor autocovariance(const Tensor& chains) {
  const int64_t n = chains.size(0);
  // Twice the length, so that the ends do not wrap.
  const Tensor spectrum = at::fft_rfft(chains - chains.mean({0}, true), 2 * n, 0);
  return at::fft_irfft(spectrum.abs().square(), 2 * n, 0).slice(0, 0, n) / static_cast<double>(n);
}

}  // namespace

Tensor split_rhat(const Tensor& chains) {
  const c10::AutoGradMode no_grad(false);
  const int64_t half = chains.size(0) / 2;
  if (half < 2) throw UsageError("split R-hat needs chains of at least four steps");
  const Tensor x = chains.to(at::kDouble);
  // Of an odd number of steps the middle one is left out.
  const auto [within, pooled] = variances(at::cat({x.slice(0, 0, half), x.slice(0, x.size(0) - half)}, 1));
  // Chains that all stand still at one value are mixed.
  return at::where(pooled == 0, 1.0, (pooled / within).sqrt());
}

Tensor autocorrelation_ess(const Tensor& chains) {
  const c10::AutoGradMode no_grad(false);
  const int64_t n = chains.size(0), even = n / 2 * 2;
  if (n < 4) throw UsageError("the effective sample size needs chains of at least four steps");
  const Tensor x = chains.to(at::kDouble);
  const auto [within, pooled] = variances(x);
  // Vehtari et al. 2021, equation 10: both parts with their unbiased factor.
  const double unbias = static_cast<double>(n) / static_cast<double>(n - 1);
  const Tensor correlation = 1 - (within - unbias * autocovariance(x).mean({1})) / pooled;
  // Geyer 1992: sums of neighbours at lags (0,1), (2,3), ..., up to the first that is not positive, made monotone.
  const Tensor pairs = correlation.slice(0, 0, even, 2) + correlation.slice(0, 1, even, 2);
  const Tensor positive = (pairs > 0).to(at::kDouble).cumprod(0);
  const Tensor monotone = std::get<0>(at::cummin(pairs, 0));
  const Tensor time = 2 * (monotone * positive).sum({0}) - 1;
  const double draws = static_cast<double>(n * chains.size(1));
  // Antithetic chains may exceed the number of draws; bounded as in that paper.
  return draws / time.clamp_min(1 / std::log10(std::max(draws, 10.0)));
}

}  // namespace kaem::mcmc
