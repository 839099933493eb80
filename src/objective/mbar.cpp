// Weights by the multistate Bennett acceptance ratio (Shirts and Chodera 2008). Every datum has a small problem of its
// own, a few levels and about a hundred samples, for which tensor operations are too many and too small.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "kaem/core/each_isa.h"
#include "kaem/objective/objective.h"

namespace kaem {
namespace {

using at::Tensor;

/// Σ x y, in an order that no instruction set changes.
KAEM_EACH_ISA double dot(const double* x, const double* y, int64_t count) {
  constexpr int64_t kLanes = 8;
  double lanes[kLanes] = {};
  const int64_t whole = count / kLanes * kLanes;
  for (int64_t i = 0; i < whole; i += kLanes)
    for (int64_t k = 0; k < kLanes; ++k) lanes[k] += x[i + k] * y[i + k];
  double sum = 0;
  for (const double lane : lanes) sum += lane;
  for (int64_t i = whole; i < count; ++i) sum += x[i] * y[i];
  return sum;
}

/// share_kn = factor_k relative_kn / Σ_j factor_j relative_jn; `sum` takes the denominators.
KAEM_EACH_ISA void shares_of(const double* relative, const double* factor, int64_t levels, int64_t count, double* sum,
                             double* share) {
  for (int64_t i = 0; i < count; ++i) sum[i] = 0;
  for (int64_t k = 0; k < levels; ++k)
    for (int64_t i = 0; i < count; ++i) sum[i] += factor[k] * relative[k * count + i];
  for (int64_t k = 0; k < levels; ++k)
    for (int64_t i = 0; i < count; ++i) share[k * count + i] = factor[k] * relative[k * count + i] / sum[i];
}

/// Solves a x = b for a symmetric positive definite a [n,n], destroyed; b becomes x. False where a is not that.
bool solve(double* a, double* b, int64_t n) {
  for (int64_t j = 0; j < n; ++j) {  // Cholesky's factor takes the lower triangle's place
    double* row = a + j * n;
    for (int64_t i = 0; i < j; ++i) {
      const double* other = a + i * n;
      for (int64_t k = 0; k < i; ++k) row[i] -= row[k] * other[k];
      row[i] /= other[i];
      row[j] -= row[i] * row[i];
    }
    if (!(row[j] > 0)) return false;
    row[j] = std::sqrt(row[j]);
  }
  for (int64_t j = 0; j < n; ++j) {
    for (int64_t k = 0; k < j; ++k) b[j] -= a[j * n + k] * b[k];
    b[j] /= a[j * n + j];
  }
  for (int64_t j = n; j-- > 0;) {
    for (int64_t k = j + 1; k < n; ++k) b[j] -= a[k * n + j] * b[k];
    b[j] /= a[j * n + j];
  }
  return true;
}

/// The problem of one datum after another: n samples ℓ_n, of which `counts` [K] come from the levels t_k, t_0 = 0.
class Mixture {
 public:
  Mixture(const std::vector<double>& temperature, const std::vector<int64_t>& counts)
      : t_(temperature), counts_(counts), levels_(static_cast<int64_t>(counts.size())) {
    for (const int64_t c : counts) count_ += c, log_count_.push_back(std::log(static_cast<double>(c)));
    const auto wide = static_cast<size_t>(levels_ * count_), narrow = static_cast<size_t>(levels_);
    relative_.resize(wide), share_.resize(wide);
    top_.resize(static_cast<size_t>(count_)), sum_.resize(static_cast<size_t>(count_));
    for (auto* v : {&base_, &factor_, &level_sum_, &change_, &log_z_, &plain_, &fallback_}) v->resize(narrow);
    hessian_.resize(narrow * narrow), step_.resize(narrow);
  }

  /// ℓ [n], those of level 0 first -> weights [n] for t = 1, of sum 1. What is not finite makes them NaN.
  void weigh(const double* value, double* weight) {
    value_ = value;
    integrate();
    rebase();
    iterate();
    double top = -std::numeric_limits<double>::infinity(), total = 0;
    for (int64_t i = 0; i < count_; ++i) top = std::max(top, weight[i] = value[i] - top_[i] - std::log(sum_[i]));
    for (int64_t i = 0; i < count_; ++i) total += weight[i] = std::exp(weight[i] - top);
    for (int64_t i = 0; i < count_; ++i) weight[i] /= total;
  }

 private:
  /// log Ẑ_k by thermodynamic integration: a start from which nothing underflows.
  void integrate() {
    double before = 0;
    int64_t at = 0;
    for (int64_t k = 0; k < levels_; ++k) {
      double mean = 0;
      for (int64_t i = 0; i < counts_[k]; ++i) mean += value_[at + i];
      mean /= static_cast<double>(counts_[k]);
      log_z_[k] = k == 0 ? 0 : log_z_[k - 1] + 0.5 * (mean + before) * (t_[k] - t_[k - 1]);
      before = mean, at += counts_[k];
    }
  }

  /// N_k exp(t_k ℓ_n) / Ẑ_k of the present Ẑ, relative to the largest over k. Until Ẑ has changed by far, those of
  /// another Ẑ differ by a factor for each level alone: iterations need no exponentials.
  void rebase() {
    std::fill(top_.begin(), top_.end(), -std::numeric_limits<double>::infinity());
    for (int64_t k = 0; k < levels_; ++k) {
      base_[k] = log_count_[k] - log_z_[k];
      for (int64_t i = 0; i < count_; ++i) top_[i] = std::max(top_[i], t_[k] * value_[i] + base_[k]);
    }
    for (int64_t k = 0; k < levels_; ++k)
      for (int64_t i = 0; i < count_; ++i) relative_[k * count_ + i] = std::exp(t_[k] * value_[i] + base_[k] - top_[i]);
  }

  /// The samples' shares in the levels at log_z_, and by how much log Ẑ_k differs from what they say.
  void evaluate() {
    constexpr double kFar = 30;
    bool far = false;
    for (int64_t k = 0; k < levels_; ++k) far |= std::abs(log_count_[k] - log_z_[k] - base_[k]) > kFar;
    if (far) rebase();
    for (int64_t k = 0; k < levels_; ++k) factor_[k] = std::exp(log_count_[k] - log_z_[k] - base_[k]);
    shares_of(relative_.data(), factor_.data(), levels_, count_, sum_.data(), share_.data());
    for (int64_t k = 0; k < levels_; ++k) {
      level_sum_[k] = 0;
      for (int64_t i = 0; i < count_; ++i) level_sum_[k] += share_[k * count_ + i];
      change_[k] = log_share(k) - log_count_[k];
    }
    for (int64_t k = levels_; k-- > 0;) change_[k] -= change_[0];
  }

  /// log Σ_n share_kn, where the shares vanish too.
  double log_share(int64_t k) const {
    constexpr double kVanishing = 1e-30;
    if (!(level_sum_[k] < kVanishing)) return std::log(level_sum_[k]);
    const auto log_of = [&](int64_t i) {
      return t_[k] * value_[i] + log_count_[k] - log_z_[k] - top_[i] - std::log(sum_[i]);
    };
    double top = -std::numeric_limits<double>::infinity(), total = 0;
    for (int64_t i = 0; i < count_; ++i) top = std::max(top, log_of(i));
    for (int64_t i = 0; i < count_; ++i) total += std::exp(log_of(i) - top);
    return top + std::log(total);
  }

  /// Newton's step of levels 1, 2, ... at what evaluate() found; false where there is none.
  bool newton_step() {
    constexpr double kRidge = 1e-9;
    const int64_t n = levels_ - 1;
    const auto row = [&](int64_t k) { return share_.data() + k * count_; };
    for (int64_t j = 0; j < n; ++j) {
      for (int64_t i = 0; i <= j; ++i) hessian_[j * n + i] = -dot(row(j + 1), row(i + 1), count_);
      hessian_[j * n + j] += level_sum_[j + 1] + kRidge;
      step_[j] = level_sum_[j + 1] - static_cast<double>(counts_[j + 1]);
    }
    return solve(hessian_.data(), step_.data(), n);
  }

  /// Ẑ_k = Σ_n exp(t_k ℓ_n) / Σ_j N_j exp(t_j ℓ_n) / Ẑ_j with Ẑ_0 = 1: Newton's method on the convex function of which
  /// this is the stationary point, and the plain iteration, which always helps but slowly, where a step did not.
  void iterate() {
    constexpr int kMostIterations = 300;
    constexpr double kTolerance = 1e-7, kNear = 1;
    double last = std::numeric_limits<double>::infinity();
    bool was_newton = false;
    for (int iteration = 0; iteration < kMostIterations; ++iteration) {
      evaluate();
      double size = 0;
      for (const double c : change_) size = std::isnan(c) ? c : std::max(size, std::abs(c));
      if (size < kTolerance || !std::isfinite(size)) return;
      const bool failed = was_newton && !(size <= last);
      for (int64_t k = 0; k < levels_; ++k) plain_[k] = log_z_[k] + change_[k];
      was_newton = !failed && size < kNear && newton_step();
      if (failed) {
        log_z_ = fallback_;
      } else {
        last = size;
        if (was_newton)
          for (int64_t k = 1; k < levels_; ++k) log_z_[k] += step_[k - 1];
        else
          log_z_ = plain_;
      }
      fallback_ = plain_;
    }
    evaluate();
  }

  const std::vector<double>& t_;
  const std::vector<int64_t>& counts_;
  int64_t levels_, count_ = 0;
  const double* value_ = nullptr;
  std::vector<double> log_count_, relative_, share_, top_, sum_, base_, factor_, level_sum_, change_, log_z_, plain_,
      fallback_, hessian_, step_;
};

}  // namespace

std::pair<Tensor, Tensor> mbar_weights(const Tensor& level_zero, const Tensor& levels, const Tensor& temperature) {
  const int64_t data = level_zero.size(0), shared = level_zero.size(1), chains = levels.size(2), count = levels.size(0);
  const Tensor own = levels.permute({1, 0, 2}).reshape({data, -1});                         // [B,T·N]
  const Tensor all = at::cat({level_zero, own}, 1).to(at::kCPU, at::kDouble).contiguous();  // [B,n]
  const Tensor host = temperature.to(at::kCPU, at::kDouble);
  std::vector<double> t = {0};
  std::vector<int64_t> counts = {shared};
  for (int64_t k = 0; k < count; ++k) t.push_back(host[k].item<double>()), counts.push_back(chains);
  Tensor weight = at::empty_like(all);
  const int64_t samples = all.size(1);
  const double* from = all.const_data_ptr<double>();
  double* to = weight.mutable_data_ptr<double>();
  at::parallel_for(0, data, 4, [&](int64_t begin, int64_t end) {
    Mixture mixture(t, counts);
    for (int64_t b = begin; b < end; ++b) mixture.weigh(from + b * samples, to + b * samples);
  });
  weight = weight.to(levels.options());
  return {weight.slice(1, 0, shared), weight.slice(1, shared).reshape({data, count, chains}).permute({1, 0, 2})};
}

}  // namespace kaem
