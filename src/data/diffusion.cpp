#include "data/diffusion.h"

#include <algorithm>
#include <cmath>

namespace kaem::darcy {
namespace {

constexpr double kTolerance = 1e-10;
constexpr double kRelaxation = 0.97;  // of the modified factor: 1 conserves row sums, a little less is safe

double dot(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

}  // namespace

Diffusion::Diffusion(int64_t n) : n_(n) {
  for (auto* v : {&right_, &down_, &diagonal_, &inverse_, &r_, &z_, &p_, &q_})
    v->assign(static_cast<size_t>(n * n), 0.0);
}

void Diffusion::assemble(const double* a) {
  // The harmonic mean is the exact flux across a face where a jumps; the boundary is half a cell away.
  const auto face = [](double left, double right) { return 2 * left * right / (left + right); };
  for (int64_t i = 0; i < n_; ++i)
    for (int64_t j = 0; j < n_; ++j) {
      const int64_t k = i * n_ + j;
      right_[k] = j + 1 < n_ ? face(a[k], a[k + 1]) : 0;
      down_[k] = i + 1 < n_ ? face(a[k], a[k + n_]) : 0;
      const double left = j > 0 ? right_[k - 1] : 2 * a[k], up = i > 0 ? down_[k - n_] : 2 * a[k];
      diagonal_[k] = left + up + (j + 1 < n_ ? right_[k] : 2 * a[k]) + (i + 1 < n_ ? down_[k] : 2 * a[k]);
    }
}

/// A ≈ (P + L) P^-1 (P + L^T) with diagonal P; fill-in is moved to the diagonal (Gustafsson 1978).
void Diffusion::factorise() {
  for (int64_t k = 0; k < n_ * n_; ++k) {
    double value = diagonal_[k];
    if (k % n_ > 0) value -= right_[k - 1] * (right_[k - 1] + kRelaxation * down_[k - 1]) * inverse_[k - 1];
    if (k >= n_) value -= down_[k - n_] * (down_[k - n_] + kRelaxation * right_[k - n_]) * inverse_[k - n_];
    inverse_[k] = 1 / (value > 0.1 * diagonal_[k] ? value : diagonal_[k]);
  }
}

double Diffusion::apply(const std::vector<double>& p, std::vector<double>& q) const {
  const int64_t size = n_ * n_;
  for (int64_t k = 0; k < size; ++k) q[k] = diagonal_[k] * p[k];
  // Couplings across a row's end are 0, so a row need not be told from the next.
  for (int64_t k = 0; k + 1 < size; ++k) q[k] -= right_[k] * p[k + 1];
  for (int64_t k = 1; k < size; ++k) q[k] -= right_[k - 1] * p[k - 1];
  for (int64_t k = 0; k + n_ < size; ++k) q[k] -= down_[k] * p[k + n_];
  for (int64_t k = n_; k < size; ++k) q[k] -= down_[k - n_] * p[k - n_];
  return dot(p, q);
}

void Diffusion::precondition(const std::vector<double>& r, std::vector<double>& z) const {
  const int64_t size = n_ * n_;
  for (int64_t k = 0; k < size; ++k) {
    const double up = k >= n_ ? down_[k - n_] * z[k - n_] : 0;
    const double left = k > 0 ? right_[k - 1] * z[k - 1] : 0;
    z[k] = (r[k] + up + left) * inverse_[k];
  }
  for (int64_t k = size - 1; k >= 0; --k) {
    const double below = k + n_ < size ? down_[k] * z[k + n_] : 0;
    const double next = k + 1 < size ? right_[k] * z[k + 1] : 0;
    z[k] += (below + next) * inverse_[k];
  }
}

int64_t Diffusion::solve(const double* a, const double* f, double* u) {
  const size_t size = static_cast<size_t>(n_ * n_);
  assemble(a);
  factorise();
  const double h2 = 1.0 / static_cast<double>(n_ * n_);
  for (size_t k = 0; k < size; ++k) r_[k] = h2 * f[k];
  std::fill(u, u + size, 0.0);
  const double goal = kTolerance * kTolerance * dot(r_, r_);
  if (goal == 0) return 0;
  precondition(r_, z_);
  p_ = z_;
  double rz = dot(r_, z_);
  for (int64_t iteration = 1; iteration <= 20 * n_ + 100; ++iteration) {
    const double alpha = rz / apply(p_, q_);
    for (size_t k = 0; k < size; ++k) u[k] += alpha * p_[k], r_[k] -= alpha * q_[k];
    if (dot(r_, r_) <= goal) return iteration;
    precondition(r_, z_);
    const double next = dot(r_, z_), beta = next / rz;
    rz = next;
    for (size_t k = 0; k < size; ++k) p_[k] = z_[k] + beta * p_[k];
  }
  return -1;
}

}  // namespace kaem::darcy
