#pragma once

#include <cstdint>
#include <vector>

namespace kaem::darcy {

/// Cell-centred finite volumes for -∇·(a∇u) = f on the unit square, u = 0 on the boundary, on n×n cells, solved by
/// conjugate gradients with a modified incomplete Cholesky factor. Holds its work space, so that one object serves many
/// fields.
class Diffusion {
 public:
  explicit Diffusion(int64_t n);

  /// a [n*n] > 0, f [n*n] -> u [n*n]; residual 1e-9 of |f|. Returns the iterations needed, or -1 if they did not
  /// converge.
  int64_t solve(const double* a, const double* f, double* u);

 private:
  void assemble(const double* a);
  void factorise();
  double apply(const std::vector<double>& p, std::vector<double>& q) const;  ///< q = A p; returns p·q
  void precondition(const std::vector<double>& r, std::vector<double>& z) const;

  int64_t n_;
  // Couplings of cell k with k+1 (right) and k+n (down), 0 across the boundary; diagonal; inverse of the factor's
  // diagonal.
  std::vector<double> right_, down_, diagonal_, inverse_;
  std::vector<double> r_, z_, p_, q_;
};

}  // namespace kaem::darcy
