// Ladders adapted to the rejections seen (Syed et al. 2021, algorithm 3).
#include <algorithm>
#include <cmath>
#include <numeric>

#include "kaem/core/error.h"
#include "kaem/mcmc/tempering.h"

namespace kaem::mcmc {
namespace {

/// Piecewise cubic that is monotone where its data are (Fritsch and Carlson 1980), with slopes by Fritsch and Butland
/// (1984): a weighted harmonic mean of the neighbouring secants, 0 at a turning point.
class MonotoneCubic {
 public:
  MonotoneCubic(std::vector<double> x, std::vector<double> y) : x_(std::move(x)), y_(std::move(y)) {
    const size_t n = x_.size();
    slope_.assign(n, 0);
    for (size_t k = 1; k + 1 < n; ++k) slope_[k] = inner_slope(k);
    slope_[0] = n == 2 ? secant(0) : end_slope(0, 1, width(0), width(1));
    slope_[n - 1] = n == 2 ? secant(0) : end_slope(n - 2, n - 3, width(n - 2), width(n - 3));
  }

  double operator()(double at) const {
    const size_t last = x_.size() - 2;
    const auto right = std::upper_bound(x_.begin(), x_.end(), at);
    const size_t k = std::min(last, static_cast<size_t>(std::max<ptrdiff_t>(right - x_.begin() - 1, 0)));
    const double h = width(k), s = (at - x_[k]) / h, r = 1 - s;
    return y_[k] * (1 + 2 * s) * r * r + y_[k + 1] * (3 - 2 * s) * s * s +
           h * s * r * (slope_[k] * r - slope_[k + 1] * s);
  }

 private:
  double width(size_t k) const { return x_[k + 1] - x_[k]; }
  double secant(size_t k) const { return (y_[k + 1] - y_[k]) / width(k); }

  double inner_slope(size_t k) const {
    const double left = secant(k - 1), right = secant(k);
    if (left * right <= 0) return 0;
    const double a = 2 * width(k) + width(k - 1), b = width(k) + 2 * width(k - 1);
    return (a + b) / (a / left + b / right);
  }

  /// Three-point formula, limited so that the end cell stays monotone.
  double end_slope(size_t near, size_t far, double h, double g) const {
    const double d = secant(near), e = secant(far);
    const double slope = ((2 * h + g) * d - h * e) / (h + g);
    if (slope * d <= 0) return 0;
    return d * e <= 0 || std::abs(slope) > 3 * std::abs(d)
               ? std::copysign(std::min(std::abs(slope), 3 * std::abs(d)), d)
               : slope;
  }

  std::vector<double> x_, y_, slope_;
};

}  // namespace

std::vector<double> adapted_ladder(const std::vector<double>& temperature, const std::vector<double>& rejection) {
  const size_t levels = temperature.size();
  if (levels < 2 || rejection.size() + 1 != levels) throw UsageError("a ladder of K levels has K-1 rejections");
  for (size_t k = 0; k + 1 < levels; ++k)
    if (!(temperature[k] < temperature[k + 1]) || !(rejection[k] >= 0))
      throw UsageError("a ladder's temperatures must rise, and its rejections be 0 or more");
  std::vector<double> cumulative(levels, 0.0);
  std::partial_sum(rejection.begin(), rejection.end(), cumulative.begin() + 1);
  const double total = cumulative.back();
  if (total <= 0) return temperature;

  const MonotoneCubic barrier(temperature, cumulative);
  std::vector<double> adapted = temperature;
  for (size_t k = 1; k + 1 < levels; ++k) {
    const double target = total * static_cast<double>(k) / static_cast<double>(levels - 1);
    double low = adapted[k - 1], high = temperature.back();
    for (int i = 0; i < 100; ++i) {
      const double middle = 0.5 * (low + high);
      (barrier(middle) < target ? low : high) = middle;
    }
    adapted[k] = 0.5 * (low + high);
  }
  return adapted;
}

}  // namespace kaem::mcmc
