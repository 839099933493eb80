#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "kaem/ops/spec.h"

/// The differentiable operators that the models are made of, each with a `reference::` reference implementation in
/// plain ATen.
///
/// Letters: N rows, I inputs, O outputs, G grid intervals, F features of an input (basis functions, and one more if
/// the base activation is on: it comes LAST), S samples, Q and P the prior's axes, K table nodes, M table cells.
/// `knots` [I,G+1] ascend. Of wavelets they are [I,2G]: the translations of an input's G functions, then their scales;
/// and operators on edges (z [S,Q,P]) also take a row for every edge, [P·Q,2G], that of (q,p) at p·Q + q. `tau` [] is
/// the bandwidth, of the Morlet wavelet the frequency; the other wavelets have none and ignore it.
/// float32 CPU tensors take the fused kernels (instruction set picked at run time), CUDA tensors those of
/// libkaem_cuda.so, everything else (float64 included) the reference implementation. Formulas: docs/mathematics.md
/// section 1.
namespace kaem::ops {

/// Number of features F for a grid of size G (the activation included).
int64_t feature_count(const BasisSpec& spec, int64_t grid_size);

/// G of knots.
int64_t grid_size_of(const BasisSpec& spec, const at::Tensor& knots);

/// Features of every input: x [N,I], knots, tau -> [N,I,F]. Differentiable in x, tau and knots (in knots and in the
/// Morlet's frequency by the reference implementation, whatever the dtype). `cell` (optional, like x): the point that
/// decides which B-spline piece is used, for one-sided values at knots.
at::Tensor basis(const at::Tensor& x, const at::Tensor& knots, const at::Tensor& tau, const BasisSpec& spec,
                 const at::Tensor& cell = {});

/// Derivative of every feature with respect to its input: as `basis` -> [N,I,F]. Not differentiable itself.
at::Tensor basis_derivative(const at::Tensor& x, const at::Tensor& knots, const at::Tensor& tau, const BasisSpec& spec);

/// Vector-Jacobian product of `basis` with respect to x: grad [N,I,F] -> [N,I]. No derivative of a feature is stored.
/// Not differentiable itself.
at::Tensor basis_pullback(const at::Tensor& grad, const at::Tensor& x, const at::Tensor& knots, const at::Tensor& tau,
                          const BasisSpec& spec);

/// Folded weights W [I,F,O] of a KAN layer: W[i,g,o] = spline_weight[i,o] coefficients[i,g,o], and base_weight[i,o]
/// as the last feature if `base_weight` is defined. Differentiable.
at::Tensor fold_weights(const at::Tensor& base_weight, const at::Tensor& spline_weight, const at::Tensor& coefficients);

/// A KAN layer: features of x [N,I] times the folded weights -> [N,O]. Knots, tau and weights as above. Tiles of inputs
/// are folded, multiplied and forgotten, forward and backward, so that no folded weight or gradient of one is stored
/// whole. Differentiable in x, tau and the weights and, by the reference implementation, knots.
at::Tensor kan_layer(const at::Tensor& x, const at::Tensor& knots, const at::Tensor& tau, const at::Tensor& base_weight,
                     const at::Tensor& spline_weight, const at::Tensor& coefficients, const BasisSpec& spec,
                     Precision precision = Precision::kFull);

/// Features of every edge: z [S,Q,P] -> [S,Q,P,F], all of them stored; as `basis`.
at::Tensor edge_features(const at::Tensor& z, const at::Tensor& knots, const at::Tensor& tau, const BasisSpec& spec);

/// Sum of univariate functions: z [S,Q,P], knots, weights [P,F,Q] -> [S], Σ_qp Σ_f weights[p,f,q] φ_f(z_sqp).
/// Nothing of size S·Q·P·F is stored, unless the knots require gradients. Differentiable in z, tau, weights and, by the
/// reference implementation, knots.
at::Tensor edge_sum(const at::Tensor& z, const at::Tensor& knots, const at::Tensor& tau, const at::Tensor& weights,
                    const BasisSpec& spec);

/// Σ_s weight_s edge_sum(z)_s, weight [S] -> []. Being linear in the weights [P,F,Q], it takes one pass over the
/// samples for its value and its gradients together. Differentiable as edge_sum.
at::Tensor weighted_edge_sum(const at::Tensor& z, const at::Tensor& weight, const at::Tensor& knots,
                             const at::Tensor& tau, const at::Tensor& weights, const BasisSpec& spec);

/// The univariate functions themselves (`order` 0) or their derivatives (`order` 1): as edge_sum -> [S,Q,P]. Not
/// differentiable.
at::Tensor edge_values(const at::Tensor& z, const at::Tensor& knots, const at::Tensor& tau, const at::Tensor& weights,
                       const BasisSpec& spec, int64_t order);

/// Masses of log-linear cells. `log_density` [C,K]: log-density at the nodes of C components, K = 2M+1 (edges and
/// midpoints in turn) or, with `split_edges`, K = 3M (left, middle, right of each cell); `widths` [C or 1 per
/// `rows_per_width`..., M] is given as [C/R, M] where R consecutive components share one row.
struct CellMasses {
  at::Tensor log_normaliser;  ///< [C], differentiable in log_density (d/d node is the derivative of this very sum) and,
                              ///< by the reference implementation, in widths
  at::Tensor error;  ///< [C] max of 0.128 max |L2 - L1| (the cdf's) and 3 Σ min(d²/180, 2/3) |L2 - L1| (log Z's), over
                     ///< Z; detached
  at::Tensor cdf;    ///< [C,M+1] running sum scaled to [0,1], summed in float64, of log_density's dtype, detached
  at::Tensor slope;  ///< [C,M] log-density right minus left, detached
};
CellMasses cell_masses(const at::Tensor& log_density, const at::Tensor& widths, bool split_edges);

/// A table of inverse transforms, ragged: component c of C has cells[c] cells, its running sum at
/// cdf[cdf_offset[c] ...cells[c]+1 values], slopes at slope[slope_offset[c]...], edges at edges[edge_offset[c]...].
struct InverseTable {
  at::Tensor cells, cdf_offset, slope_offset, edge_offset;  ///< int64 [C]
  at::Tensor cdf, slope, edges;                             ///< flat
};

/// z = F_c^-1(u): u [S,C] in (0,1) -> [S,C], log-linear inside a cell, in closed form. Not differentiable.
at::Tensor inverse_cdf(const at::Tensor& u, const InverseTable& table);

/// u = F_c(z): the other way round, z [S,C] -> [S,C].
at::Tensor forward_cdf(const at::Tensor& z, const InverseTable& table);

/// One unadjusted Langevin move of chains at T temperatures: z [T,...,L] and all that is like it; temperature t [T] ->
/// z + η (∇log p + t ∇ℓ) + √(2η) ξ, reflected into [lower, upper] (infinite: everywhere). t = 0 forgets ∇ℓ, even where
/// it is infinite. `likelihood` (undefined: none) may repeat one number along the last axis without storing it (stride
/// 0). Not differentiable.
at::Tensor langevin_move(const at::Tensor& z, const at::Tensor& prior, const at::Tensor& likelihood,
                         const at::Tensor& noise, const at::Tensor& temperature, double step, double lower,
                         double upper);

/// a [N,K] times b [K,O] -> [N,O], differentiable; either may be a transposed view. float32 on the CPU is multiplied by
/// the library that is faster on this processor (KAEM_PRODUCTS=mkl|onednn forces one), everything else by at::mm. With
/// kBFloat16 the operands may be rounded already.
at::Tensor product(const at::Tensor& a, const at::Tensor& b, Precision precision = Precision::kFull);

/// t as an operand of such a product: bfloat16, or t itself.
at::Tensor round_to(const at::Tensor& t, Precision precision);

/// Which library multiplies float32 matrices on the CPU: "MKL" or "oneDNN".
std::string_view product_library();

/// Base activation of x, elementwise, and its derivative.
at::Tensor activate(const at::Tensor& x, Activation activation);
at::Tensor activate_derivative(const at::Tensor& x, Activation activation);

/// The reference implementations: plain ATen, any dtype and device, differentiable by autograd where the operator is.
namespace reference {
at::Tensor basis(const at::Tensor& x, const at::Tensor& knots, const at::Tensor& tau, const BasisSpec& spec,
                 const at::Tensor& cell = {});
at::Tensor basis_derivative(const at::Tensor& x, const at::Tensor& knots, const at::Tensor& tau, const BasisSpec& spec);
at::Tensor basis_tau_derivative(const at::Tensor& x, const at::Tensor& knots, const at::Tensor& tau,
                                const BasisSpec& spec);
at::Tensor fold_weights(const at::Tensor& base_weight, const at::Tensor& spline_weight, const at::Tensor& coefficients);
at::Tensor kan_layer(const at::Tensor& x, const at::Tensor& knots, const at::Tensor& tau, const at::Tensor& base_weight,
                     const at::Tensor& spline_weight, const at::Tensor& coefficients, const BasisSpec& spec,
                     Precision precision);
at::Tensor edge_sum(const at::Tensor& z, const at::Tensor& knots, const at::Tensor& tau, const at::Tensor& weights,
                    const BasisSpec& spec);
at::Tensor edge_values(const at::Tensor& z, const at::Tensor& knots, const at::Tensor& tau, const at::Tensor& weights,
                       const BasisSpec& spec, int64_t order);
CellMasses cell_masses(const at::Tensor& log_density, const at::Tensor& widths, bool split_edges);
at::Tensor inverse_cdf(const at::Tensor& u, const InverseTable& table);
at::Tensor forward_cdf(const at::Tensor& z, const InverseTable& table);
at::Tensor langevin_move(const at::Tensor& z, const at::Tensor& prior, const at::Tensor& likelihood,
                         const at::Tensor& noise, const at::Tensor& temperature, double step, double lower,
                         double upper);
}  // namespace reference

/// Which instruction set the fused CPU kernels use now: "default", "avx2" or "avx512".
std::string_view cpu_kernel_level();

}  // namespace kaem::ops

namespace kaem {

/// Opens LibTorch's CUDA library and libkaem_cuda.so (if it was built), once; UsageError if there is no usable device.
void load_cuda();

}  // namespace kaem
