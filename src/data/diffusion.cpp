#include "data/diffusion.h"

#include <algorithm>
#include <cmath>

namespace kaem::darcy {
namespace {

constexpr double kTolerance = 1e-9;   // far below the discretisation's error and float32
constexpr double kRelaxation = 0.97;  // of the modified factor: 1 conserves row sums, a little less is safe

/// Four sums side by side: one would wait for each addition before the next.
double dot(const std::vector<double>& a, const std::vector<double>& b) {
  double sum[4] = {0, 0, 0, 0};
  const size_t whole = a.size() / 4 * 4;
  for (size_t i = 0; i < whole; i += 4)
    for (size_t lane = 0; lane < 4; ++lane) sum[lane] += a[i + lane] * b[i + lane];
  for (size_t i = whole; i < a.size(); ++i) sum[0] += a[i] * b[i];
  return (sum[0] + sum[1]) + (sum[2] + sum[3]);
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
  const double *const x = p.data(), *const right = right_.data(), *const down = down_.data(),
                      *const diagonal = diagonal_.data();
  double* const y = q.data();
  // Couplings across a row's end are 0, so a row need not be told from the next; only the first and last row differ.
  const auto at = [&](int64_t k) {
    double value = diagonal[k] * x[k];
    if (k + 1 < size) value -= right[k] * x[k + 1];
    if (k > 0) value -= right[k - 1] * x[k - 1];
    if (k + n_ < size) value -= down[k] * x[k + n_];
    if (k >= n_) value -= down[k - n_] * x[k - n_];
    return value;
  };
  for (int64_t k = 0; k < std::min(n_, size); ++k) y[k] = at(k);
  for (int64_t k = n_; k < size - n_; ++k)
    y[k] = diagonal[k] * x[k] - right[k] * x[k + 1] - right[k - 1] * x[k - 1] - down[k] * x[k + n_] -
           down[k - n_] * x[k - n_];
  for (int64_t k = std::max(n_, size - n_); k < size; ++k) y[k] = at(k);
  return dot(p, q);
}

void Diffusion::precondition(const std::vector<double>& r, std::vector<double>& z) const {
  const int64_t size = n_ * n_;
  const double *const b = r.data(), *const right = right_.data(), *const down = down_.data(),
                      *const inverse = inverse_.data();
  double* const y = z.data();
  for (int64_t k = 0; k < size; ++k) {
    // Bracketed so that only two operations wait for the neighbour just computed.
    const double known = (k >= n_ ? b[k] + down[k - n_] * y[k - n_] : b[k]) * inverse[k];
    y[k] = k > 0 ? known + (right[k - 1] * inverse[k]) * y[k - 1] : known;
  }
  for (int64_t k = size - 1; k >= 0; --k) {
    const double known = k + n_ < size ? y[k] + (down[k] * inverse[k]) * y[k + n_] : y[k];
    y[k] = k + 1 < size ? known + (right[k] * inverse[k]) * y[k + 1] : known;
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
